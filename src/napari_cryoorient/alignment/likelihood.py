"""How likely particle images are at a pose: Gaussian noise of a known spectrum, in a Fourier band.

With X the coefficients of an image, c its CTF, n the power of the noise and T the projection of the
map in the stack's grey scale, moved by the ramp of the shift, the log-likelihood is, up to a
constant, ``sum 2 Re(conj(c X / n) T) - (c^2 / n) |T|^2`` over the half plane, each frequency and
its mirror once.  Coefficients are ordered by radius: a narrower band is the first of them.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.shapes import (
    AnyShifts,
    Frequencies,
    PlanePoints,
    Ramps,
    RealGradients,
    RealValues,
    Slices,
)
from napari_cryoorient.geometry.fourier_grids import at_radii
from napari_cryoorient.particles import DensityMap, Integers, ParticleSet
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.packed import PackedHalfSpace
from napari_cryoorient.projection.reference import reference_volume
from napari_cryoorient.projection.resample import images_to_fourier
from napari_cryoorient.projection.shapes import Points, Rotations, Values
from napari_cryoorient.stack.batches import ParticleBatches
from napari_cryoorient.stack.noise_variety import OwnNoise
from napari_cryoorient.stack.statistics import WORKING_BOX, StackStatistics, stack_statistics

# The spectra are measured up to this box first, and in boxes twice as large while they hold
# information up to this part of the last radius: what lies beyond the box is not seen, and counts
# for none.  The largest has a transform of 4 GiB.
FIRST_BOX, LARGEST_BOX = 128, 512
STILL_INFORMATIVE = 0.75
# Frequencies that hold together less than this part of the information are left out.
NEGLIGIBLE_PART = 0.04
# Noise is taken to be at least this part of the signal: a map is never exact.
NOISE_FLOOR = 0.01
# Particles are taken to lie within this part of the field of view from the centre of the image.
SHIFT_REACH = 0.08
# How far the amplitudes of particles of one stack are taken to spread, as a part of the mean.
AMPLITUDE_SIGMA = 0.25
# CTF^2 is taken to be this large at least where something is divided by it.
LEAST_TRANSFER = 0.02
# Noise is measured in each image beyond this part of the band's radius; it is so many times the
# stack's at most, and as many times less.
OUTER_PART, LARGEST_LEVEL = 0.5, 8.0
_PADDING = 2


@dataclass(frozen=True)
class BandData:
    """Images as the likelihood sees them, ``(b, m)`` each, frequencies ordered by radius.

    ``cross`` is ``c X / n``, ``power`` is ``c^2 / n`` and ``energy`` ``|X|^2 / n``.
    """

    cross: Tensor
    power: Tensor
    energy: Tensor

    def __len__(self) -> int:
        return len(self.cross)

    def __getitem__(self, index: Tensor | slice) -> BandData:
        return BandData(self.cross[index], self.power[index], self.energy[index])

    def without_overflow(self) -> BandData:
        """Return the same with images that hold values other than finite numbers zero."""
        parts = (self.cross, self.power, self.energy)
        is_finite = torch.stack([part.isfinite().all(1) for part in parts]).all(0)
        if bool(is_finite.all()):
            return self
        return BandData(*(part.masked_fill(~is_finite[:, None], 0.0) for part in parts))

    def band(self, n_frequencies: int) -> BandData:
        """Keep the first frequencies."""
        return BandData(
            self.cross[:, :n_frequencies],
            self.power[:, :n_frequencies],
            self.energy[:, :n_frequencies],
        )


class ParticleLikelihood:
    """A stack and a map of the same field of view, ready to be compared.

    ``radius`` is the highest frequency used, in Fourier pixels; by default it is where the stack's
    signal ends.
    """

    def __init__(
        self,
        density: DensityMap,
        particles: ParticleSet,
        device: torch.device,
        *,
        radius: float | None = None,
        statistics: StackStatistics | None = None,
    ) -> None:
        widest = _widest_box(density, particles)
        if statistics is None:
            statistics = measured_statistics(density, particles, radius)
        self.statistics = statistics
        limit = (widest if radius is not None else statistics.box) / 2 - 1
        self.radius = min(informative_radius(statistics) if radius is None else radius, limit)
        self.box = min(2 * math.ceil(self.radius + 1), widest)
        self.device = device
        self.particles = particles
        self.field_of_view_angstrom = particles.box * particles.pixel_size_angstrom
        self._batches = ParticleBatches(particles, self.box, device, cache_bytes=0)

        frequencies = half_disc_frequencies(self.radius)
        self.radii = frequencies.norm(dim=1)
        places = (frequencies[:, 1].long() % self.box) * (self.box // 2 + 1)
        self._places = (places + frequencies[:, 0].long()).to(device)
        self.frequencies = frequencies.to(device)
        to_box = (self.box / statistics.box) ** 4
        signal = at_radii(statistics.signal_power * to_box, self.radii)
        noise = at_radii(statistics.noise_power * to_box, self.radii)
        # Images that were multiplied by their CTF are compared as they were before.
        self._is_premultiplied = particles.ctf_state == "premultiplied"
        once = at_radii(statistics.noise_transfer, self.radii).clamp_min(LEAST_TRANSFER)
        noise = noise / once if self._is_premultiplied else noise
        self._inverse_noise = (1 / torch.maximum(noise, NOISE_FLOOR * signal)).to(device)
        power = at_radii(statistics.image_power * to_box, self.radii)
        power = power / once if self._is_premultiplied else power
        outer = slice(self.n_frequencies(OUTER_PART * self.radius), None)
        self._outer = outer
        self._outer_energy = float((power.to(device) * self._inverse_noise)[outer].sum())
        self._signal_power = signal.to(device)
        self._own_noise: OwnNoise | None = None
        if statistics.noise_variety:
            self._own_noise = OwnNoise(statistics.noise_variety, self.radii, device)

        # Cropping keeps densities and makes voxels larger: a sum along a line has fewer of them.
        # The gain belongs to projections of the map at the box of the statistics' projector.
        map_box = min(density.box, max(statistics.box, WORKING_BOX))
        self._gain = statistics.gain * map_box / self.box
        self._take_map(density)
        self._padded_frequencies = _PADDING * self.frequencies.t().contiguous()
        self.amplitude_sigma, self.strength = AMPLITUDE_SIGMA, 1.0

    @property
    def amplitude_stiffness(self) -> float:
        """Half the precision of the particles' amplitudes: ``0.5 / sigma^2``."""
        return 0.5 / self.amplitude_sigma**2

    def take_amplitudes(self, mean: float, sigma: float) -> None:
        """Take the particles' amplitudes, times the stack's gain so far, to be ``mean`` and spread.

        ``sigma`` is relative to the mean.  Images loaded later are seen at the new scale.
        """
        self.strength *= mean
        self.amplitude_sigma = sigma

    def _take_map(self, density: DensityMap) -> None:
        self.volume = reference_volume(density, self.box) * self._gain
        projector = Projector(self.volume, padding=_PADDING, max_radius=self.radius)
        self._transform = PackedHalfSpace(projector.transform.to(self.device))

    def with_map(self, density: DensityMap) -> ParticleLikelihood:
        """Return the same with another map of the same grey scale and field of view."""
        other = copy.copy(self)
        other._take_map(density)
        return other

    def reading(self, particles: ParticleSet) -> ParticleLikelihood:
        """Return the same with other particles of the same stack to read."""
        other = copy.copy(self)
        other.particles = particles
        other._batches = ParticleBatches(particles, self.box, self.device, cache_bytes=0)
        return other

    def n_frequencies(self, radius: float) -> int:
        """Return how many of the frequencies lie within ``radius`` Fourier pixels."""
        return int((self.radii <= radius).sum())

    def load(self, rows: Integers) -> BandData:
        """Read particles ``rows``; one whose numbers are not finite weighs nothing.

        Such are products with a CTF that leaves single precision.
        """
        half_planes = images_to_fourier(self._batches.images(rows)).flatten(1)
        coefficients = half_planes[:, self._places]
        ctf = self._batches.ctf(rows)
        if ctf is None:
            transfer = torch.ones_like(coefficients.real)
        else:
            transfer = ctf.flatten(1)[:, self._places]
        energy = coefficients.real.square() + coefficients.imag.square()
        if self._is_premultiplied:  # c X and c^2 are at hand, c to either sign
            cross, squared = coefficients, transfer
            energy = energy / transfer.clamp_min(LEAST_TRANSFER)
        else:
            cross, squared = transfer * coefficients, transfer.square()
        # A map so many times as strong is the same as images and noise so many times as weak.
        weight = self.strength * self._inverse_noise
        data = BandData(
            cross * weight, squared * (self.strength * weight), energy * self._inverse_noise
        )
        return self._at_own_noise(data).without_overflow()

    def _at_own_noise(self, data: BandData) -> BandData:
        """Weigh each image by its own level of noise: micrographs differ.

        It is the image's power in the outer half of the band over that of the stack's images, which
        hold signal that the map does not explain too.  Where spectra differ in shape, each image
        has its own.
        """
        if self._own_noise is not None:
            signal = data.power / self.strength**2 * self._signal_power
            level = self._own_noise.over_stack(data.energy, signal)
            return BandData(data.cross / level, data.power / level, data.energy / level)
        level = data.energy[:, self._outer].sum(1) / max(self._outer_energy, 1e-30)
        level = level.clamp(1 / LARGEST_LEVEL, LARGEST_LEVEL)[:, None]
        return BandData(data.cross / level, data.power / level, data.energy / level)

    def slice_points(self, rotations: Rotations, n_frequencies: int) -> PlanePoints:
        """Return where in the map's transform the slices ``(b, 3, m)`` lie, for ``at_points``."""
        plane = self._padded_frequencies[:, :n_frequencies]
        return rotations[:, :2].transpose(1, 2) @ plane

    def plane_points(self, rotations: Rotations, frequencies: Frequencies) -> Points:
        """Return the points ``(b, 3, p)`` of slices at any (kx, ky) ``(p, 2)``, Fourier pixels."""
        return rotations[:, :2].transpose(1, 2) @ (_PADDING * frequencies.t())

    def at_points(self, points: Points) -> Values:
        """Return the map's transform in the stack's grey scale, complex ``(b, p)``."""
        return self._transform.at(points)

    def at_points_with_gradient(self, points: Points) -> tuple[RealValues, RealGradients]:
        """Return the same as reals ``(b, 2 p)`` and the derivatives by the points ``(b, 3, 2 p)``.

        Real and imaginary parts lie side by side.
        """
        return self._transform.at_with_gradient(points)

    def slices(self, rotations: Rotations, n_frequencies: int) -> Slices:
        """Return projections ``(b, m)`` at rotations ``(b, 3, 3)``, CTF and shift left out."""
        return self.at_points(self.slice_points(rotations, n_frequencies))

    def ramps(self, shifts_angstrom: AnyShifts, n_frequencies: int) -> Ramps:
        """Return the factors ``(..., m)`` that move an object by ``(..., 2)`` angstrom."""
        turn = -2 * math.pi / self.field_of_view_angstrom
        phase = (turn * shifts_angstrom) @ self.frequencies[:n_frequencies].t()
        return torch.polar(torch.ones_like(phase), phase)


def _widest_box(density: DensityMap, particles: ParticleSet) -> int:
    widest = min(density.box, particles.box)
    return widest - widest % 2


def measured_statistics(
    density: DensityMap, particles: ParticleSet, radius: float | None
) -> StackStatistics:
    """Measure a stack up to ``radius`` Fourier pixels, or as far as it tells about poses."""
    widest = _widest_box(density, particles)
    if radius is not None:
        needed = max(2 * math.ceil(radius + 1), FIRST_BOX)
        return stack_statistics(density, particles, min(needed, widest))
    box = min(widest, FIRST_BOX)
    while True:
        statistics = stack_statistics(density, particles, box)
        is_exhausted = informative_radius(statistics) < STILL_INFORMATIVE * (box / 2 - 1)
        if is_exhausted or box >= min(widest, LARGEST_BOX):
            return statistics
        box = min(2 * box, widest, LARGEST_BOX)


def half_disc_frequencies(radius: float) -> Frequencies:
    """Return (kx, ky) ``(m, 2)`` of integers, 0 < |k| <= radius, each without its mirror.

    Ordered by radius.
    """
    edge = int(radius)
    kx, ky = torch.meshgrid(torch.arange(edge + 1), torch.arange(-edge, edge + 1), indexing="ij")
    squares = kx * kx + ky * ky
    chosen = (squares > 0) & (squares <= radius * radius) & ((kx > 0) | (ky > 0))
    frequencies = torch.stack([kx[chosen], ky[chosen]], dim=1)
    order = torch.sort(squares[chosen], stable=True).indices
    return frequencies[order].float()


def informative_radius(statistics: StackStatistics) -> float:
    """Return the radius within which all but a negligible part of the pose information lies.

    The information of a frequency on the pose grows with the ratio of signal to noise there and
    with the square of the radius; the spectra are weighed without the CTF.
    """
    radius = np.arange(len(statistics.signal_power), dtype=np.float64)
    signal = statistics.signal_power.double().numpy()
    noise = np.maximum(statistics.noise_power.double().numpy(), NOISE_FLOOR * signal)
    information = radius**3 * signal / np.maximum(noise, 1e-300)
    information[0] = 0.0
    cumulated = np.cumsum(information) / max(float(information.sum()), 1e-300)
    return float(np.searchsorted(cumulated, 1.0 - NEGLIGIBLE_PART) + 1)
