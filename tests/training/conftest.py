from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tiny_network import TinyNetwork

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.network import build
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet, Poses
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.training.paper import PaperRecipe, paper_recipe

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
    axis = torch.arange(BOX) - BOX // 2
    zyx = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).float()
    volume = torch.zeros(BOX, BOX, BOX)
    for weight in (1.0, 0.8, 0.6, 0.5, 0.4):
        centre = torch.randn(3, generator=generator) * 2.5
        volume += weight * torch.exp(-((zyx - centre) ** 2).sum(-1) / 4.0)
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
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a network of a few hundred weights in the place of the paper's."""
    monkeypatch.setattr("napari_cryoorient.training.paper.PaperNetwork", TinyNetwork)
    monkeypatch.setitem(build._KINDS, "tiny", (TinyNetwork.__module__, TinyNetwork.__qualname__))


@pytest.fixture
def paper_config() -> Callable[..., TrainConfig]:
    def make(**changes: object) -> TrainConfig:
        values = {
            "preset": "paper",
            "box": BOX,
            "steps": 6,
            "batch_size": 4,
            "weights": "none",
            "device": "cpu",
            "precision": "float32",
        }
        return TrainConfig(**(values | changes))

    return make
