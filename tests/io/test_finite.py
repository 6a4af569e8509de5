"""What is not a finite number is not written, and the image at fault is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import new_particle_star, read_star, write_poses
from napari_cryoorient.maps.backproject import back_project
from napari_cryoorient.maps.solve import solve_map
from napari_cryoorient.maps.stored_sums import AddedUp
from napari_cryoorient.particles import ArrayImages, ParticleSet, Poses
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    Microscope,
    SimulationSettings,
    draw_simulation,
    simulated_images,
)


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


def test_further_columns(tmp_path: Path) -> None:
    poses = Poses(np.tile(np.eye(3), (4, 1, 1)), np.zeros((4, 2)))
    star = new_particle_star("p.mrcs", poses, box=16, pixel_size_angstrom=2.0)
    further = {"cryoorientPresence": np.ones(4), "cryoorientOther": np.array([1, np.nan, 1, 1])}
    with pytest.raises(ValueError, match="cryoorientOther"):
        write_poses(star, poses, tmp_path / "out.star", further=further)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n", [3, 5, 2])
def test_a_further_column_is_as_long_as_the_file(n: int, tmp_path: Path) -> None:
    poses = Poses(np.tile(np.eye(3), (4, 1, 1)), np.zeros((4, 2)))
    star = new_particle_star("p.mrcs", poses, box=16, pixel_size_angstrom=2.0)
    rows, further = np.array([1, 3]), {"cryoorientOther": np.ones(n)}
    if n == len(rows):  # of the rows that are written, not of the file
        write_poses(star, poses[rows], tmp_path / "some.star", rows=rows, further=further)
        assert read_star(tmp_path / "some.star").blocks[1].table["cryoorientOther"].tolist() == (
            ["1.000000"] * 2
        )
        (tmp_path / "some.star").unlink()
    with pytest.raises(InputError, match=rf"cryoorientOther has {n} numbers and there are 4 part"):
        write_poses(star, poses, tmp_path / "out.star", further=further)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def stack() -> ParticleSet:
    """Three noisy images at known poses, with CTFs."""
    density = demo_density(16, 8.0)
    simulation = draw_simulation(density, SimulationSettings(n=3, snr=1.0, microscope=Microscope()))
    images = np.concatenate(list(simulated_images(simulation)))
    zeros = np.zeros(3, dtype=np.int64)
    names = ("1@a", "2@a", "3@a")
    return ParticleSet(ArrayImages(images, 8.0), simulation.poses, simulation.ctf, zeros, names)


def map_of(stack: ParticleSet, *rows: int) -> np.ndarray:
    sets = (np.array(rows),)
    done = back_project(stack, symmetry_matrices("C1"), torch.device("cpu"), rows_of_sets=sets)
    return solve_map(AddedUp(done.sums), done.factors).numpy()


def test_reconstruction_names_the_image_whose_ctf_overflows(stack):
    factors = np.array([0.0, 0.0, -1e5])
    worse = replace(stack, ctf=replace(stack.ctf, b_factor_angstrom2=factors))
    with pytest.raises(InputError, match=r"Image 3 \(3@a\)"):
        map_of(worse, 0, 1, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e38, 4.0])
def test_an_empty_image_weighs_nothing_in_a_reconstruction(stack, value):
    expected = map_of(stack, 0, 1)
    stack.images.images[2] = value
    np.testing.assert_allclose(map_of(stack, 0, 1, 2), expected, atol=1e-6 * expected.max())
