"""Applying the group to the sums is entering every equivalent pose."""

from __future__ import annotations

import pytest
import torch

from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.maps.insertion import SliceSums
from napari_cryoorient.maps.symmetrise import split_by_grid, symmetrise_sums

EXPECTED = {"C1": 1, "C7": 1, "C4": 4, "D2": 4, "D7": 2, "D4": 8, "O": 24, "I2": 12, "I1": 12}


@pytest.mark.parametrize("name", [*EXPECTED, "T", "I4"])
def test_the_group_is_the_part_that_keeps_the_grid_times_representatives(name: str):
    group = symmetry_matrices(name)
    representatives, kept = split_by_grid(group)
    assert len(representatives) * len(kept) == len(group)
    if name in EXPECTED:
        assert len(kept) == EXPECTED[name]
    products = (kept[:, None] @ representatives).reshape(-1, 3, 3)
    distances = (products[:, None] - group).abs().amax(dim=(-2, -1))
    assert (distances.min(0).values < 1e-9).all()  # every element of the group
    torch.testing.assert_close(representatives[0], torch.eye(3, dtype=group.dtype))


@pytest.mark.parametrize("name", ["C4", "D2", "D7", "O", "I1", "T"])
def test_sums_are_those_of_all_equivalent_poses(name: str):
    group = symmetry_matrices(name)
    generator = torch.Generator().manual_seed(1)
    rotations = random_rotations(2, generator, dtype=torch.float64)
    every, few = (SliceSums(12, dtype=torch.float64) for _ in range(2))
    numbers = torch.randn(3, 2, len(few.positions), generator=generator, dtype=torch.float64)
    coefficients, weights = torch.complex(numbers[0], numbers[1]), numbers[2].abs()
    for element in group:
        every.insert(rotations @ element.T, coefficients, weights)
    representatives, kept = split_by_grid(group)
    for element in representatives:
        few.insert(rotations @ element.T, coefficients, weights)
    by_sums = symmetrise_sums(few.hermitian(), kept)
    torch.testing.assert_close(by_sums, every.hermitian(), rtol=1e-7, atol=1e-7)
