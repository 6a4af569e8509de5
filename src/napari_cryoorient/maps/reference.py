"""A reconstruction made fit to be a reference: its noise kept out by its own half-maps' FSC."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_cryoorient.geometry.soft_edges import falling_cosine
from napari_cryoorient.maps.fsc import (
    GOLD_STANDARD,
    ShellCorrelation,
    radius_half_space,
)
from napari_cryoorient.particles import Images

# Below this resolution half-sets share what they are compared with, so that they do not drift
# apart (as relion_refine's --low_resol_join_halves does).
JOINED_TO_ANGSTROM = 40.0
EDGE_SHELLS = 2.0


def filtered_references(
    halves: tuple[Images, Images], curve: ShellCorrelation, pixel_size_angstrom: float
) -> tuple[Images, tuple[Images, Images]]:
    """Return the mean of two half-maps ``(N, N, N)``, and one reference for each half-set.

    A shell of the mean is weighed by ``2 F / (1 + F)``, of a half-map by F, F its FSC: what part of
    the power there is signal (Rosenthal and Henderson, 2003).  Nothing stays beyond F = 0.143.  The
    half-sets' references are the mean up to 40 angstrom and their own half-map beyond.
    """
    box = len(halves[0])
    transforms = [scipy.fft.rfftn(np.asarray(half, dtype=np.float64)) for half in halves]
    mean = (transforms[0] + transforms[1]) / 2
    radius = radius_half_space(box)
    # 1 at the origin, whose mean grey no FSC tells of.
    share = np.clip(curve.values, 0.0, 1.0)
    share[0] = 1.0
    at_half = np.interp(radius, np.arange(len(share)), share, right=0.0)
    at_mean = 2 * at_half / (1 + at_half)
    cutoff = cutoff_shell(curve, box, pixel_size_angstrom)
    inside = falling_cosine(radius - cutoff, EDGE_SHELLS)
    shared = falling_cosine(radius - box * pixel_size_angstrom / JOINED_TO_ANGSTROM, EDGE_SHELLS)
    joined = mean * at_mean * inside

    def back(transform: NDArray[np.complex128]) -> Images:
        return np.asarray(scipy.fft.irfftn(transform, s=(box,) * 3), dtype=np.float32)

    own = [back(shared * joined + (1 - shared) * half * at_half * inside) for half in transforms]
    return back(joined), (own[0], own[1])


def cutoff_shell(curve: ShellCorrelation, box: int, pixel_size_angstrom: float) -> float:
    """Return where the curve crosses 0.143, in Fourier pixels; Nyquist where it does not."""
    resolution = curve.crossing_angstrom(GOLD_STANDARD)
    return box / 2 if resolution is None else box * pixel_size_angstrom / resolution
