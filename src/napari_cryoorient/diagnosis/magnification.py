"""How much larger the particles are than the map, from the likelihood of their images.

The images, at their poses, are compared with slices of the map stretched about zero frequency.
With A and P the sums of ``Re(conj(c X / n) T)`` and ``c^2 / n |T|^2`` over a shell of frequencies
and over all images, ``sum A^2 / P`` over the shells is the log-likelihood where each shell has an
amplitude of its own: how sharp either side is has no part in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import DensityMap, Floats, Integers, ParticleSet, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.chunks import Stopped, in_threads
from napari_cryoorient.stack.pairing import SILENT_TOLERANCE, TOLERANCE

# Scales tried: at first so far either way in so many steps on so many images, then about the best.
REACH, N_SCALES, N_FIRST = 0.06, 25, 200
FINE_REACH, N_FINE_SCALES = 0.01, 9
MOST_IMAGES = 2000
# From here on, and from so many standard errors, a difference is worth a warning.
WORTH, CLEAR_ERRORS = 0.005, 3.0
HAND = (
    "The hand cannot be determined from untilted particles: a map and its mirror image have the "
    "same projections. Tilt pairs, or tilted particles, show it (napari-cryoorient hand)."
)
_CHUNK = 128


@dataclass(frozen=True)
class Magnification:
    """Particles are ``scale`` times larger than the map by the pixel sizes given.

    ``standard_error`` is that of the scale; pixel sizes are in angstrom.
    """

    scale: float
    standard_error: float
    n_images: int
    pixel_size_angstrom: float
    map_pixel_size_angstrom: float

    @property
    def is_off(self) -> bool:
        """Whether the pixel sizes clearly do not belong together, by half a percent or more."""
        off = abs(self.scale - 1)
        return bool(off > WORTH and off > CLEAR_ERRORS * self.standard_error)

    @property
    def fitting_pixel_size_angstrom(self) -> float:
        """The stack's pixel size, if the map's is right."""
        return self.pixel_size_angstrom / self.scale

    def describe(self) -> str:
        """Say what was measured and what it means."""
        measured = (
            f"The particles are {self.scale:.4f} times as large as the map (standard error "
            f"{self.standard_error:.4f}, {self.n_images} images)"
        )
        if not self.is_off:
            return f"{measured}: the pixel sizes belong together."
        return (
            f"WARNING: {measured[0].lower()}{measured[1:]}: if the map's pixel size of "
            f"{self.map_pixel_size_angstrom:.4g} A is right, the stack's is "
            f"{self.fitting_pixel_size_angstrom:.4f} A, not {self.pixel_size_angstrom:.4g} A."
        )

    def summary(self) -> dict[str, Any]:
        """Return the figures by name, as ``pixel-size --json`` does."""
        return {
            "scale": self.scale,
            "standard_error": self.standard_error,
            "n": self.n_images,
            "pixel_size_angstrom": self.pixel_size_angstrom,
            "map_pixel_size_angstrom": self.map_pixel_size_angstrom,
            "fitting_pixel_size_angstrom": self.fitting_pixel_size_angstrom,
            "is_off": self.is_off,
            "hand": HAND,
            "sentence": self.describe(),
        }


def measure_magnification(
    particles: ParticleSet,
    density: DensityMap,
    given: DensityMap,
    device: torch.device,
    *,
    reporter: Reporter = SILENT,
) -> Magnification:
    """Measure the scale of particles that have poses against a map brought to their field of view.

    ``given`` is the same map as it came, whose pixel size may have been taken as the stack's.
    Raises InputError where there are no poses, or the likelihood has no maximum within 6%; Stopped.
    """
    if particles.poses is None:
        raise InputError("The particles have no poses; search or refine them first.")
    rows = particles.spread_rows(MOST_IMAGES)
    likelihood = ParticleLikelihood(density, particles, device)
    first = rows[np.unique(np.linspace(0, len(rows) - 1, N_FIRST).astype(np.int64))]
    coarse = np.linspace(1 - REACH, 1 + REACH, N_SCALES)
    poses = particles.poses
    curve = _curve(
        likelihood, first, poses[first], coarse, replace(reporter, progress=SILENT.progress)
    )
    best = int(curve.argmax())
    if not 0 < best < len(coarse) - 1:
        raise InputError(
            f"The images show no scale within {REACH:.0%} of the map's: the poses are wrong, or "
            "the pixel sizes of stack and map differ by more."
        )
    fine = coarse[best] + np.linspace(-FINE_REACH, FINE_REACH, N_FINE_SCALES)
    curve = _curve(likelihood, rows, poses[rows], fine, reporter)
    scale, error = _peak(fine, curve)
    map_pixel = given.pixel_size_angstrom
    stretch = density.pixel_size_angstrom / map_pixel if _was_assumed(given, particles) else 1.0
    return Magnification(
        scale * stretch, error * stretch, len(rows), particles.pixel_size_angstrom, map_pixel
    )


def _was_assumed(given: DensityMap, particles: ParticleSet) -> bool:
    """Tell whether the map's voxels were taken to be of the stack's size, not resampled to it."""
    pixel, map_pixel = particles.pixel_size_angstrom, given.pixel_size_angstrom
    apart = abs(map_pixel / pixel - 1)
    fields = abs(map_pixel * given.box / (pixel * particles.box) - 1)
    in_one_box = given.box == particles.box and apart <= TOLERANCE
    return in_one_box or fields <= SILENT_TOLERANCE or apart <= SILENT_TOLERANCE


@torch.no_grad()
def _curve(
    likelihood: ParticleLikelihood,
    rows: Integers,
    poses: Poses,
    scales: Floats,
    reporter: Reporter,
) -> Floats:
    """Return the log-likelihood ``(s,)`` of each scale, over that of empty images."""
    n = likelihood.n_frequencies(likelihood.radius / (1 + REACH + FINE_REACH))
    shells = likelihood.radii[:n].round().long().to(likelihood.device)
    n_shells = int(shells.max()) + 1

    def work(chunk: slice, data: BandData, _: object) -> Tensor:
        band = data.band(n)
        rotations, shifts = (
            torch.from_numpy(values[chunk]).float().to(likelihood.device)
            for values in (poses.rotations, poses.shifts_angstrom)
        )
        images = band.cross.conj() * likelihood.ramps(shifts, n)
        sums = torch.zeros(2, len(scales), n_shells, dtype=torch.float64)
        for i, scale in enumerate(scales.tolist()):
            points = likelihood.plane_points(rotations, likelihood.frequencies[:n] * scale)
            slices = likelihood.at_points(points)
            power = band.power * (slices.real.square() + slices.imag.square())
            for part, values in enumerate(((images * slices).real, power)):
                by_frequency = values.sum(0).double().cpu()
                sums[part, i].index_add_(0, shells.cpu(), by_frequency)
        return sums

    parts = list(
        in_threads(
            len(rows),
            _CHUNK,
            likelihood.device,
            load=lambda chunk: likelihood.load(rows[chunk]),
            work=work,
            reporter=reporter,
        )
    )
    if len(parts) < -(-len(rows) // _CHUNK):
        raise Stopped
    agreement, power = torch.stack(parts).sum(0)
    gain = agreement.clamp_min(0).square() / power.clamp_min(1e-300)
    return np.asarray(gain.sum(1).numpy())


def _peak(scales: Floats, curve: Floats) -> tuple[float, float]:
    """Return where a parabola through the points about the highest one peaks, and its error."""
    best = int(np.clip(curve.argmax(), 2, len(curve) - 3))
    near = slice(best - 2, best + 3)
    middle = float(scales[best])
    square, slope, _ = np.polyfit(scales[near] - middle, curve[near] - curve[best], 2)
    if square >= 0:
        raise InputError("The images show no scale: their poses are wrong, or they are too noisy.")
    return middle - slope / (2 * square), float((-2 * square) ** -0.5)
