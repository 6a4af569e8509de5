from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import new_particle_star, write_star
from napari_cryoorient.particles import DensityMap, Poses
from napari_cryoorient.projection.fourier_slice import Projector
from support.training import lopsided_blobs, paper_config_of, tiny_network

__all__ = ["tiny_network"]

BOX, PIXEL, N = 24, 4.0, 30


@dataclass(frozen=True)
class Files:
    star: Path
    map: Path
    poses: Poses
    density: DensityMap
    images: np.ndarray


@pytest.fixture(scope="session")
def lopsided_map() -> DensityMap:
    return DensityMap(lopsided_blobs(BOX, 3.0, torch.Generator().manual_seed(3)).numpy(), PIXEL)


@pytest.fixture
def files(tmp_path: Path, lopsided_map: DensityMap) -> Files:
    """Thirty noiseless particles, their STAR file and their map, on disk."""
    generator = torch.Generator().manual_seed(4)
    rotations = random_rotations(N, generator)
    shifts = torch.randn(N, 2, generator=generator) * 3.0
    projector = Projector(torch.from_numpy(lopsided_map.voxels), pixel_size_angstrom=PIXEL)
    images = projector(rotations, shifts).numpy()
    with StackWriter(tmp_path / "particles.mrcs", N, BOX, PIXEL) as writer:
        writer.append(images)
    poses = Poses(rotations.double().numpy(), shifts.double().numpy())
    star = new_particle_star("particles.mrcs", poses, box=BOX, pixel_size_angstrom=PIXEL)
    write_star(star, tmp_path / "particles.star")
    write_map(lopsided_map, tmp_path / "map.mrc")
    return Files(tmp_path / "particles.star", tmp_path / "map.mrc", poses, lopsided_map, images)


@pytest.fixture
def paper_config() -> Callable[..., TrainConfig]:
    return paper_config_of(BOX)
