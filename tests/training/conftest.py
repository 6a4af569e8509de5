from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet, Poses
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.training.paper import PaperRecipe, paper_recipe
from support.training import lopsided_blobs, paper_config_of, tiny_network

__all__ = ["tiny_network"]

BOX = 16


@dataclass(frozen=True)
class Toy:
    density: DensityMap
    particles: ParticleSet

    def recipe(self, config: TrainConfig) -> PaperRecipe:
        torch.manual_seed(0)  # as the run does: dropout draws from torch's own generator
        rows = np.arange(len(self.particles) - 8)
        return paper_recipe(self.density, self.particles, config, torch.device("cpu"), rows)


@pytest.fixture(scope="session")
def toy() -> Toy:
    """Twenty noiseless projections of five lopsided blobs."""
    generator = torch.Generator().manual_seed(3)
    volume = lopsided_blobs(BOX, 2.5, generator)
    rotations = random_rotations(20, generator)
    shifts = torch.randn(20, 2, generator=generator) * 2.0
    images = Projector(volume, pixel_size_angstrom=4.0)(rotations, shifts).numpy()
    particles = ParticleSet(
        images=ArrayImages(images, 4.0),
        poses=Poses(rotations.double().numpy(), shifts.double().numpy()),
        ctf=None,
        optics_group=np.zeros(20, dtype=np.int64),
    )
    return Toy(DensityMap(volume.numpy(), 4.0), particles)


@pytest.fixture
def paper_config() -> Callable[..., TrainConfig]:
    return paper_config_of(BOX)
