"""Fourier shell correlation of two half-maps in cones about all directions, and their area ratio.

The conical FSC of a direction is that of the frequencies within 20 degrees of it or its opposite
(Tan et al., Nat. Methods 14 (2017) 793).  The conical FSC area ratio cFAR is the least area under
such a curve divided by the largest, as introduced with cryoSPARC 4.4; 0.5 and more is taken to be
even.  An area is that up to where its curve first falls below 0.143: what lies beyond is noise.
Shells of which a cone holds a few coefficients alone end no curve: one weak coefficient would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_cryoorient.geometry.grids import view_directions
from napari_cryoorient.geometry.healpix import centres, n_pixels, pixel_of
from napari_cryoorient.maps.fsc import GOLD_STANDARD, ShellCorrelation
from napari_cryoorient.particles import Floats, Images, without_solvent

HALF_ANGLE_DEG, SPACING_DEG = 20.0, 9.0
EVEN = 0.5
# Coefficients of a shell in a cone from which on its correlation is one.
FEWEST_COEFFICIENTS = 10
# Frequencies are gathered in pixels of 1.8 degrees before the cones are laid over them.
_NSIDE = 32


@dataclass(frozen=True, eq=False)
class ConicalCorrelation:
    """Curves ``(c, r)`` in cones about ``directions`` ``(c, 3)``; ``frequencies`` ``(r,)`` in 1/A.

    ``first_shell`` is the first in which every cone holds enough coefficients.
    """

    directions: Floats
    frequencies: Floats
    curves: Floats
    first_shell: int

    @property
    def areas(self) -> Floats:
        """Area ``(c,)`` under each curve up to its crossing, in 1/angstrom."""
        ends = 1 / self.crossings_angstrom()
        return np.array([self._area(c, e) for c, e in zip(self.curves, ends, strict=True)])

    def _area(self, curve: Floats, end: float) -> float:
        inside = self.frequencies < end
        x = np.append(self.frequencies[inside], end)
        y = np.append(curve[inside], np.interp(end, self.frequencies, curve))
        return float(np.trapezoid(np.maximum(y, 0), x))

    @property
    def cfar(self) -> float:
        """The least area divided by the largest; 0 where no curve encloses any."""
        areas = self.areas
        largest = float(areas.max())
        return float(areas.min()) / largest if largest > 0 else 0.0

    def crossings_angstrom(self, threshold: float = GOLD_STANDARD) -> Floats:
        """Return the resolution ``(c,)`` where each curve first falls below a threshold.

        That of Nyquist where it never does.
        """
        nyquist = 1 / self.frequencies[-1]
        curves = self.curves.copy()
        curves[:, : self.first_shell] = 1.0
        found = (ShellCorrelation(self.frequencies, c).crossing_angstrom(threshold) for c in curves)
        return np.array([nyquist if each is None else each for each in found])


def conical_correlation(
    a: Images, b: Images, pixel_size_angstrom: float, *, mask: Images | None = None
) -> ConicalCorrelation:
    """Correlate two half-maps ``(N, N, N)`` in cones, both times ``mask`` where one is given.

    Raises ValueError for maps of different shapes.
    """
    import scipy.fft  # loads slowly

    if a.shape != b.shape or len(set(a.shape)) != 1 or (mask is not None and mask.shape != a.shape):
        raise ValueError(f"maps of one cubic shape are needed, not {a.shape} and {b.shape}")
    if mask is not None:
        a, b = (mask * without_solvent(each) for each in (a, b))
    box = len(a)
    first, second = (scipy.fft.rfftn(np.asarray(each, np.float32)) for each in (a, b))
    n_shells, n_bins = box // 2 + 1, n_pixels(_NSIDE)
    sums = np.zeros((4, n_bins * n_shells))
    full, half = np.fft.fftfreq(box, 1 / box), np.fft.rfftfreq(box, 1 / box)
    once = np.where((half == 0) | (half == box / 2), 0.5, 1.0)
    ky, kx = np.meshgrid(full, half, indexing="ij")
    for i, kz in enumerate(full):  # slab by slab: directions of all at once would fill the memory
        radius = np.sqrt(kz * kz + ky * ky + kx * kx)
        shell = np.rint(radius).astype(np.int64)
        inside = (shell > 0) & (shell < n_shells)
        k = np.stack([kx[inside], ky[inside], np.full(int(inside.sum()), kz)], axis=1)
        k *= np.where(k[:, 2:] < 0, -1.0, 1.0) / radius[inside][:, None]
        where = pixel_of(k, _NSIDE) * n_shells + shell[inside]
        x, y = first[i][inside], second[i][inside]
        weight = np.broadcast_to(once, radius.shape)[inside]
        parts = ((x * y.conj()).real, np.abs(x) ** 2, np.abs(y) ** 2, np.ones(len(x)))
        for row, values in enumerate(parts):
            sums[row] += np.bincount(where, weight * values, minlength=sums.shape[1])
    directions = view_directions(SPACING_DEG).numpy()
    directions = directions[directions[:, 2] > 0]
    in_cone = np.abs(directions @ centres(_NSIDE).T) >= math.cos(math.radians(HALF_ANGLE_DEG))
    cones = in_cone.astype(np.float64)
    cross, of_a, of_b, n = (cones @ each.reshape(n_bins, n_shells) for each in sums)
    norm = np.sqrt(of_a * of_b)
    curves = np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)
    curves[:, 0] = 1.0
    for shell in range(1, n_shells):  # the first shells have no frequency in some cones
        curves[:, shell] = np.where(norm[:, shell] > 0, curves[:, shell], curves[:, shell - 1])
    frequencies = np.arange(n_shells) / (box * pixel_size_angstrom)
    is_enough = n.min(axis=0) >= FEWEST_COEFFICIENTS
    first_shell = int(is_enough.argmax()) if is_enough.any() else n_shells - 1
    return ConicalCorrelation(directions, frequencies, curves, first_shell)
