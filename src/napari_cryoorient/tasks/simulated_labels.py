"""Images made from the map at random poses, to learn from where a stack has no poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.particles import Images, Integers, ParticleSet, Poses
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.reference import reference_volume
from napari_cryoorient.stack.batches import ParticleBatches
from napari_cryoorient.stack.pairing import PairedInputs

N_NOISE_IMAGES = 128
# The stack's signal is never taken to be weaker than this part of its noise.
LEAST_SNR = 0.01


@dataclass(frozen=True)
class MapProjections:
    """Projections of a map with CTF and noise, made as they are read; image i is always alike."""

    projector: Projector
    particles: ParticleBatches
    poses: Poses
    noise_sigma: float
    seed: int

    @property
    def box(self) -> int:
        """Edge of the images in pixels."""
        return self.projector.box

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size in angstrom."""
        return self.projector.pixel_size_angstrom

    def __len__(self) -> int:
        return len(self.poses)

    @torch.no_grad()
    def read(self, indices: Integers) -> Images:
        """Make images ``indices``."""
        rotations = torch.from_numpy(self.poses.rotations[indices]).float()
        images = self.projector(rotations, None, self.particles.ctf(indices)).numpy()
        noise = [
            np.random.default_rng([self.seed, int(i)]).standard_normal(
                images.shape[1:], dtype=np.float32
            )
            for i in indices
        ]
        return np.asarray(images + self.noise_sigma * np.stack(noise), dtype=np.float32)


def simulated_like(inputs: PairedInputs, *, seed: int) -> ParticleSet:
    """Return as many made particles as the stack has, with its CTF values and its noise.

    Poses are uniform on SO(3) and centred.  The ratio of signal to noise is the stack's: noise is
    what its corners vary by, and signal what the whole images vary by beyond that.
    """
    stack = inputs.particles
    volume = reference_volume(inputs.density, stack.box)
    projector = Projector(volume, pixel_size_angstrom=stack.pixel_size_angstrom)
    batches = ParticleBatches(stack, stack.box, torch.device("cpu"), cache_bytes=0)
    rotations = random_rotations(len(stack), torch.Generator().manual_seed(seed))
    poses = Poses(rotations.double().numpy(), np.zeros((len(stack), 2)))
    rows = stack.spread_rows(N_NOISE_IMAGES)
    clean = MapProjections(projector, batches, poses, 0.0, seed).read(rows)
    signal = float(clean.var(axis=(1, 2)).mean())
    seen = batches.images(rows).numpy()
    sigma = float(np.sqrt(signal / snr_of(seen[seen.any(axis=(1, 2))])))
    return ParticleSet(
        images=MapProjections(projector, batches, poses, sigma, seed),
        poses=poses,
        ctf=stack.ctf,
        optics_group=stack.optics_group,
        ctf_state=stack.ctf_state,
    )


def snr_of(images: Images) -> float:
    """Estimate signal to noise (variances over the whole image) of images (k, N, N)."""
    axis = np.arange(images.shape[-1]) - images.shape[-1] // 2
    corners = np.hypot(axis[:, None], axis) > images.shape[-1] / 2
    noise = float(images[:, corners].var(axis=1).mean())
    whole = float(images.var(axis=(1, 2)).mean())
    if noise <= 0.0:
        return float("inf")
    return max(whole - noise, LEAST_SNR * noise) / noise
