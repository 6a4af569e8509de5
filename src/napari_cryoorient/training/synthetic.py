"""Particle images made from the map while training, in the statistics of a stack, none twice."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.particles import DensityMap, ParticleSet
from napari_cryoorient.projection.resample import fourier_shift, fourier_to_images
from napari_cryoorient.stack.batches import Batch, ParticleBatches
from napari_cryoorient.stack.statistics import StackStatistics, band_limited_projector, shaped_noise

# Particles whose CTFs the made images have.
N_CTFS = 4096
# Shifts where the stack tells of none, as a part of the field of view.
DEFAULT_SHIFT_PART = 1 / 50
_STREAM = 1


def shift_sigma_angstrom(particles: ParticleSet) -> float:
    """Return the standard deviation of a stack's shifts, or what is usual where it has none."""
    if particles.poses is not None:
        return float(np.sqrt(np.mean(np.square(particles.poses.shifts_angstrom))))
    return DEFAULT_SHIFT_PART * particles.box * particles.pixel_size_angstrom


class SyntheticParticles:
    """Draws images with random poses, the stack's CTFs, its noise and its range of shifts.

    Images have the box of ``statistics``: the band the network looks at.
    """

    def __init__(
        self,
        density: DensityMap,
        particles: ParticleSet,
        statistics: StackStatistics,
        device: torch.device,
        seed: int,
    ) -> None:
        self.box = statistics.box
        self.device = device
        self._gain = statistics.gain
        self._noise_power = statistics.noise_power.to(device)
        self._shift_sigma = shift_sigma_angstrom(particles)
        self._projector = band_limited_projector(density, self.box).to(device)
        # A stream of its own: a stack simulated with the same seed shares no pose with it.
        own_seed = int(np.random.SeedSequence([seed, _STREAM]).generate_state(1)[0])
        self.generator = torch.Generator(device).manual_seed(own_seed)
        batches = ParticleBatches(particles, self.box, torch.device("cpu"), cache_bytes=0)
        rows = particles.spread_rows(N_CTFS)
        ctfs = batches.ctf(rows)
        self.ctfs: Tensor | None = None if ctfs is None else ctfs.to(device)

    @torch.no_grad()
    def draw(self, n: int, noise_scale: float = 1.0, part: slice = slice(None)) -> Batch:
        """Make ``part`` of ``n`` images, with noise of ``noise_scale`` times the stack's amplitude.

        All that is random is drawn for all ``n``: whoever makes another part draws alike.
        """
        generator = self.generator
        rotations = random_rotations(n, generator)[part]
        shifts = torch.randn(n, 2, generator=generator, device=self.device)[part]
        shifts = self._shift_sigma * shifts
        half_planes = self._gain * self._projector.fourier(rotations)
        half_planes = fourier_shift(half_planes, shifts / self._projector.pixel_size_angstrom)
        ctf = None
        if self.ctfs is not None:
            chosen = torch.randint(len(self.ctfs), (n,), generator=generator, device=self.device)
            ctf = self.ctfs[chosen[part]]
            half_planes = half_planes * ctf
        noise = shaped_noise(n, self._noise_power, self.box, generator, part)
        images = fourier_to_images(half_planes) + noise_scale * noise
        return Batch(images, ctf, rotations, shifts)


def noise_scale_at(progress: float, start: float, rising_part: float) -> float:
    """Return the noise amplitude at ``progress`` in [0, 1]: from ``start``, linearly up to 1."""
    return min(1.0, start + (1.0 - start) * progress / rising_part)


def one_cycle_at(progress: float, warm_up: float = 0.05, level_until: float = 0.3) -> float:
    """Return the learning rate at ``progress``, as a part of its peak: up, level, cosine down."""
    rising = min(1.0, progress / warm_up + 0.02)
    if progress < level_until:
        return rising
    part = (progress - level_until) / (1.0 - level_until)
    return rising * (0.5 * (1.0 + math.cos(math.pi * min(part, 1.0))) + 0.003)
