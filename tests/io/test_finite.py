"""What is not a finite number is not written, and the image at fault is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.demo.density import demo_density
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import new_particle_star, write_poses
from napari_cryoorient.particles import ArrayImages, ParticleSet, Poses
from napari_cryoorient.reconstruction.backproject import back_project


def test_maps_and_stacks(tmp_path: Path):
    density = demo_density(16, 8.0)
    density.voxels[3, 4, 5] = np.nan
    with pytest.raises(InputError, match="1 values that are not finite"):
        write_map(density, tmp_path / "map.mrc")
    images = np.zeros((2, 8, 8), np.float32)
    images[1, 2, 3] = np.inf
    with (
        pytest.raises(InputError, match="not finite"),
        StackWriter(tmp_path / "p.mrcs", 2, 8, 1.0) as writer,
    ):
        writer.append(images)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", [None, np.array([2, 1])])
def test_poses(tmp_path: Path, rows):
    poses = Poses(np.tile(np.eye(3), (4, 1, 1)), np.zeros((4, 2)))
    star = new_particle_star("p.mrcs", poses, box=16, pixel_size_angstrom=2.0)
    wanted = poses if rows is None else poses[rows]
    confidence = np.ones(len(wanted))
    confidence[1] = np.nan
    with pytest.raises(InputError, match=r"1 poses .* 000002@p.mrcs"):
        write_poses(star, wanted, tmp_path / "out.star", confidence=confidence, rows=rows)
    assert list(tmp_path.iterdir()) == []


def test_reconstruction_names_the_image():
    images = np.zeros((3, 16, 16), np.float32)
    images[2, 0, 0] = np.inf
    poses = Poses(np.tile(np.eye(3), (3, 1, 1)), np.zeros((3, 2)))
    zeros = np.zeros(3, dtype=np.int64)
    stack = ParticleSet(ArrayImages(images, 2.0), poses, None, zeros, ("1@a", "2@a", "3@a"))
    rows = (np.arange(3),)
    with pytest.raises(InputError, match=r"Image 3 \(3@a\)"):
        back_project(stack, symmetry_matrices("C1"), torch.device("cpu"), rows_of_sets=rows)
    fine = replace(stack, images=ArrayImages(np.zeros((3, 16, 16), np.float32), 2.0))
    assert back_project(fine, symmetry_matrices("C1"), torch.device("cpu"), rows_of_sets=rows)
