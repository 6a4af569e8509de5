"""Groups of made maps, on RELION's axes and off them, and of real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_cryoorient as nc
from napari_cryoorient.geometry.rotations import rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.maps.symmetry import (
    detect_symmetry,
    has_symmetry,
    is_pseudo_symmetry,
    name_of_axis,
    turned_map,
)
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.projection.resample import lowpass
from napari_cryoorient.simulation.demo_density import demo_density
from support.blob_maps import blobs


@pytest.mark.parametrize("name", ["C1", "C2", "C5", "D2", "D3", "D7", "T", "O", "I2"])
def test_group_on_relion_axes(name: str):
    found = detect_symmetry(blobs(name))
    assert found.name == name
    assert found.is_on_relion_axes
    if name != "C1":
        assert "on RELION's axes" in found.describe()


@pytest.mark.parametrize("name", ["C4", "D3", "T", "I2"])
def test_group_turned_away_is_found_with_its_axes(name: str):
    turn = rotation_vector_to_matrix(torch.tensor([0.4, -0.9, 0.3], dtype=torch.float64))
    found = detect_symmetry(blobs(name, turn))
    assert found.name == name
    assert not found.is_on_relion_axes
    group, q = symmetry_matrices(name), found.from_relion
    expected, own = turn @ group @ turn.T, q @ group @ q.T
    distance = torch.cdist(own.flatten(1), expected.flatten(1)).amin(1)
    assert float(distance.max()) < 0.06  # two degrees


def test_permuted_axes_are_named():
    density = blobs("D5")
    permuted = replace(density, voxels=np.ascontiguousarray(density.voxels.transpose(1, 2, 0)))
    found = detect_symmetry(permuted)
    assert found.name == "D5"
    assert not found.is_on_relion_axes
    # voxels[z, y, x] became [y, x, z]: what lay along z lies along x.
    assert "5-fold that RELION has along z lies along x" in found.describe()


def test_made_particle_without_symmetry_has_none():
    assert detect_symmetry(demo_density(48, 4.0)).name == "C1"


@pytest.mark.parametrize("name", ["C4", "D3"])
def test_axes_off_the_boxs_centre_are_found_and_the_map_moved_onto_it(name: str):
    centre = (2.0, -1.0, 1.5)
    density = blobs(name, centre=centre)
    found = detect_symmetry(density)
    assert found.name == name
    assert not found.is_on_relion_axes
    across = torch.tensor(centre, dtype=torch.float64) * density.pixel_size_angstrom
    if name == "C4":
        across[2] = 0.0  # along a single axis nothing can be told
    torch.testing.assert_close(found.centre_angstrom, across, atol=0.8, rtol=0)
    assert "from the box's centre" in found.describe()
    again = detect_symmetry(turned_map(density, *found.onto_relion()))
    assert again.name == name
    assert again.is_on_relion_axes


def test_a_group_that_lacks_a_subunit_is_a_pseudo_symmetry():
    found = detect_symmetry(blobs("D5", box=48, n_missing=1))
    assert found.name == "C1"
    assert found.pseudo == "D5"
    assert "pseudo-symmetry" in found.describe()


def noisy(density: DensityMap, deviations: float) -> DensityMap:
    noise = np.random.default_rng(0).standard_normal(density.voxels.shape)
    voxels = density.voxels + deviations * density.voxels.std() * noise
    return replace(density, voxels=voxels.astype(np.float32))


def test_noise_is_allowed_for():
    assert detect_symmetry(noisy(blobs("D5", box=48), 2.0)).name == "D5"
    assert detect_symmetry(noisy(demo_density(48, 4.0), 2.0)).name == "C1"
    assert detect_symmetry(noisy(blobs("D5", box=48, n_missing=1), 2.0)).name == "C1"


def test_a_map_without_detail_keeps_its_group(shared_data: Path):
    for file, name in (("bgal_D2_96px_2.2A.mrc", "D2"), ("ribosome70S_C1_96px_4.0A.mrc", "C1")):
        density = read_map(shared_data / "maps" / file)
        voxels = torch.from_numpy(density.voxels)
        smooth = lowpass(voxels, 25.0, density.pixel_size_angstrom, n_dimensions=3)
        assert detect_symmetry(replace(density, voxels=smooth.numpy())).name == name


def test_name_of_axis():
    assert name_of_axis(torch.tensor([0.0, -1.0, 0.01])) == "y"
    assert name_of_axis(torch.tensor([0.6, 0.0, 0.8])) == "(0.60, 0.00, 0.80)"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("bgal_D2_96px_2.2A.mrc", "D2"),
        ("bgal_real_D2_100px_3.54A.mrc", "D2"),
        ("ribosome70S_C1_96px_4.0A.mrc", "C1"),
        ("t20s_D7_96px_2.2A.mrc", "D7"),
    ],
)
def test_real_maps(shared_data: Path, file: str, name: str):
    found = detect_symmetry(read_map(shared_data / "maps" / file))
    assert found.name == name
    assert found.is_on_relion_axes


@pytest.mark.parametrize("name", ["C3", "D2", "T"])
def test_the_quick_look_sees_that_there_is_symmetry(name: str):
    turn = rotation_vector_to_matrix(torch.tensor([0.4, -0.9, 0.3], dtype=torch.float64))
    assert has_symmetry(blobs(name, turn))


def test_the_quick_look_sees_that_there_is_none():
    assert not has_symmetry(demo_density(48, 4.0))


def test_a_named_group_is_looked_at_in_every_place():
    assert not is_pseudo_symmetry(blobs("D7", box=48), "D7")
    assert is_pseudo_symmetry(blobs("D7", box=48, n_missing=1), "D7")
    assert not is_pseudo_symmetry(demo_density(48, 4.0), "D7")  # no symmetry at all


def test_more_folds_than_usual_are_found_where_asked_for():
    ring = blobs("C13")
    assert nc.symmetry(ring, largest_fold=13).name == "C13"
    assert nc.symmetry(ring, largest_fold=2).name == "C1"
