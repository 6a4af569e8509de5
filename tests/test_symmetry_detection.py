"""Groups of made maps, on RELION's axes and off them, and of real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.demo.density import demo_density
from napari_cryoorient.geometry.rotations import rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.symmetry_detection import detect_symmetry, name_of_axis

BOX = 40


def blobs(symmetry: str, turn: torch.Tensor | None = None) -> DensityMap:
    """Lopsided blobs at every equivalent place, the group's axes turned by ``turn``."""
    generator = torch.Generator().manual_seed(7)
    group = symmetry_matrices(symmetry)
    if turn is not None:
        group = turn @ group @ turn.T
    axis = torch.arange(BOX, dtype=torch.float64) - BOX // 2
    xyz = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).flip(-1)
    volume = torch.zeros(BOX, BOX, BOX, dtype=torch.float64)
    for _ in range(4):
        centre = torch.nn.functional.normalize(
            torch.randn(3, generator=generator, dtype=torch.float64), dim=0
        )
        for place in group @ (centre * (7 + 7 * torch.rand(1, generator=generator).double())):
            volume += torch.exp(-(xyz - place).square().sum(-1) / 4.5)
    return DensityMap(volume.float().numpy(), 4.0)


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
