"""Settings that leave nothing to compute with are refused in one sentence, before any work."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.projection.resample import refuse_coarse


@pytest.fixture
def density(tmp_path: Path) -> Path:
    voxels = np.random.default_rng(1).normal(size=(16, 16, 16)).astype(np.float32)
    write_map(DensityMap(voxels, 5.0), tmp_path / "map.mrc")
    return tmp_path / "map.mrc"


@pytest.mark.parametrize(
    "settings",
    [
        ("--lowpass", "1e9"),
        ("--lowpass", "inf"),
        ("--shift-sigma", "1e9"),
        ("--shift-sigma", "inf"),
        ("--pixel-size", "1e9"),
        ("--pixel-size", "1e-9"),
    ],
)
def test_simulations_of_nothing_are_refused(density, settings, tmp_path, run):
    out = tmp_path / "out"
    status, _, said = run("simulate", str(density), "-o", str(out), "--n", "2", *settings)
    assert status == 2, said
    assert not (out / "particles.star").exists()


@pytest.mark.parametrize("radius", ["0", "1e-6"])
def test_a_mask_without_a_voxel_is_refused(density, radius, run):
    status, _, said = run("fsc", str(density), str(density), "--radius", radius)
    assert status == 2
    assert "larger radius" in said


@pytest.mark.parametrize("resolution", [1e9, float("inf"), float("nan"), 60.0])
def test_resolutions_coarser_than_the_images_are_refused(resolution):
    with pytest.raises(InputError, match="leaves no detail"):
        refuse_coarse("resolution", resolution, 100.0)
    refuse_coarse("resolution", 20.0, 100.0)


def test_a_hot_voxel_of_a_map_is_told_and_a_density_is_not(density):
    known = read_map(density)
    assert known.notes == ()
    known.voxels[8, 8, 8] = 1e6
    write_map(known, density)
    assert "1 voxels are over 20 times" in read_map(density).notes[0]


def test_voxels_near_the_largest_number_are_read_without_a_warning(density):
    known = read_map(density)
    known.voxels[:4] = 3e38
    known.voxels[4:8] = -3e38
    write_map(known, density)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_map(density).box == known.box
