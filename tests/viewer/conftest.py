"""Files for the readers, made by the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import new_particle_star, write_poses
from napari_cryoorient.particles import DensityMap, Images, Poses

BOX = 16
PIXEL_SIZE = 3.5


@dataclass(frozen=True)
class SampleFiles:
    """A map, a stack and its STAR, with what they hold."""

    map_path: Path
    stack_path: Path
    star_path: Path
    voxels: Images
    images: Images


@pytest.fixture
def sample(tmp_path: Path) -> SampleFiles:
    random = np.random.default_rng(3)
    voxels = random.normal(size=(BOX, BOX, BOX)).astype(np.float32)
    images = random.normal(size=(5, BOX, BOX)).astype(np.float32)
    map_path, stack_path = tmp_path / "map.mrc", tmp_path / "particles.mrcs"
    write_map(DensityMap(voxels, PIXEL_SIZE), map_path)
    with StackWriter(stack_path, len(images), BOX, PIXEL_SIZE) as writer:
        writer.append(images)
    poses = Poses(np.tile(np.eye(3), (5, 1, 1)), np.zeros((5, 2)))
    star = new_particle_star(stack_path.name, poses, box=BOX, pixel_size_angstrom=PIXEL_SIZE)
    star_path = tmp_path / "particles.star"
    write_poses(star, poses, star_path)
    return SampleFiles(map_path, stack_path, star_path, voxels, images)


@pytest.fixture
def wide_viewer() -> ViewerModel:
    """A viewer whose canvas is 200 pixels high and 600 wide."""
    viewer = ViewerModel()
    if hasattr(viewer, "canvas"):
        viewer.canvas.size = (200, 600)
    else:  # napari before 0.9
        viewer._canvas_size = (200, 600)
    return viewer
