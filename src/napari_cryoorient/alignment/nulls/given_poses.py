"""Whether particles agree with a map at the poses they have better than at random orientations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.particles import DensityMap, Floats, ParticleSet
from napari_cryoorient.stack.batches import ParticleBatches
from napari_cryoorient.stack.statistics import band_limited_projector

N_COMPARED, N_AT_LEAST = 64, 8
# Random orientations drawn for each particle: a single draw may be a lucky one.
N_DRAWS = 8
# The mean of the differences has to lie so many of its standard errors above zero.  Right maps
# reach 11 and more with 8 particles at an SNR of 0.01, foreign ones 2.4 at most (docs/trust.md).
CLEAR = 4.0
# Finer detail is not needed to tell.
LARGEST_BOX = 128


@dataclass(frozen=True)
class PoseAgreement:
    """Mean correlations at the poses given and at random ones; ``z`` is how clear the gain is."""

    at_poses: float
    at_random: float
    z: float

    @property
    def is_clear(self) -> bool:
        """Whether the particles show the map at their poses."""
        return self.z > CLEAR

    def describe(self) -> str:
        """Say that they do not."""
        return (
            "These particles do not show this map at the STAR file's poses: they correlate with "
            f"it no better ({self.at_poses:.3f}) than at random orientations "
            f"({self.at_random:.3f}). Check that map and poses belong together."
        )


@torch.no_grad()
def pose_agreement(
    particles: ParticleSet, density: DensityMap, seed: int = 0
) -> PoseAgreement | None:
    """Compare some particles, of the map's field of view, with it; None where they are too few.

    An image or a projection without any contrast has correlation 0.
    """
    usable = particles.usable_rows()
    n = min(len(usable), N_COMPARED)
    if particles.poses is None or n < N_AT_LEAST:
        return None
    rows = usable[np.unique(np.linspace(0, len(usable) - 1, n).astype(np.int64))]
    box = min(particles.box, density.box, LARGEST_BOX) // 2 * 2
    batch = ParticleBatches(particles, box, torch.device("cpu"), cache_bytes=0).batch(rows)
    projector = band_limited_projector(density, box)
    generator = torch.Generator().manual_seed(seed)

    def correlations(rotations: Tensor) -> Floats:
        projections = projector(rotations, batch.shifts_angstrom, batch.ctf)
        images, expected = (
            each.flatten(1) - each.flatten(1).mean(1, keepdim=True)
            for each in (batch.images, projections)
        )
        found = torch.nn.functional.cosine_similarity(images.double(), expected.double(), dim=1)
        return np.asarray(found.nan_to_num().numpy())

    at_poses = correlations(batch.rotations)
    draws = [correlations(random_rotations(n, generator).float()) for _ in range(N_DRAWS)]
    at_random = np.mean(draws, axis=0)
    gains = at_poses - at_random
    error = float(gains.std(ddof=1)) / len(gains) ** 0.5
    z = float(gains.mean()) / max(error, 1e-30)
    return PoseAgreement(float(at_poses.mean()), float(at_random.mean()), z)
