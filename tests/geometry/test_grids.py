from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_cryoorient.geometry.grids import (
    directions_to_matrices,
    rotation_grid,
    view_directions,
)
from napari_cryoorient.geometry.rotations import euler_zyz_deg_to_matrix, random_rotations
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg, symmetry_matrices


def nearest_angle_deg(directions: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    return torch.rad2deg(torch.arccos((directions @ grid.T).amax(1).clamp(-1, 1)))


def test_matrices_look_along_the_directions() -> None:
    angles = np.array([[20.0, 50.0, 10.0], [-140.0, 120.0, -60.0]])
    expected = torch.tensor(euler_zyz_deg_to_matrix(angles))
    found = directions_to_matrices(expected[:, 2], torch.tensor(angles[:, 2]))
    torch.testing.assert_close(found, expected)


def test_matrices_at_the_poles_are_rotations() -> None:
    poles = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], dtype=torch.float64)
    found = directions_to_matrices(poles, 30.0)
    torch.testing.assert_close(found[:, 2], poles)
    torch.testing.assert_close(torch.linalg.det(found), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("spacing_deg", [15.0, 5.0])
def test_directions_cover_the_sphere_evenly(spacing_deg: float) -> None:
    grid = view_directions(spacing_deg)
    assert abs(len(grid) - 4 * math.pi / math.radians(spacing_deg) ** 2) < 1
    torch.testing.assert_close(grid.norm(dim=1), torch.ones(len(grid), dtype=torch.float64))
    somewhere = random_rotations(2000, torch.Generator().manual_seed(0), dtype=torch.float64)[:, 2]
    assert nearest_angle_deg(somewhere, grid).max() < 0.95 * spacing_deg
    apart = (grid @ grid.T).fill_diagonal_(-1).amax(1).arccos()
    assert torch.rad2deg(apart).min() > 0.6 * spacing_deg


@pytest.mark.parametrize("name", ["C2", "C7", "D2", "D7", "T", "O", "I1", "I3"])
def test_an_asymmetric_unit_stands_for_the_whole_sphere(name: str) -> None:
    group = symmetry_matrices(name)
    spacing_deg = 6.0
    whole, unit = view_directions(spacing_deg), view_directions(spacing_deg, group)
    # The rim adds to the unit's share; it weighs most where the unit is small.
    assert len(whole) / len(group) * 0.9 < len(unit) < len(whole) / len(group) * 2.5
    somewhere = random_rotations(500, torch.Generator().manual_seed(1), dtype=torch.float64)[:, 2]
    equivalents = (group @ somewhere.T).permute(2, 0, 1)  # (n, g, 3)
    nearest = torch.stack([nearest_angle_deg(e, unit).min() for e in equivalents])
    assert nearest.max() < 0.95 * spacing_deg


@pytest.mark.parametrize("name", ["C2", "C7", "D2", "D7", "T", "O", "I1", "I3"])
@pytest.mark.parametrize("spacing_deg", [5.0, 6.0, 10.0])
def test_without_its_rim_a_unit_is_the_spheres_share(name: str, spacing_deg: float) -> None:
    group = symmetry_matrices(name)
    unit = view_directions(spacing_deg, group, with_rim=False)
    assert len(unit) == pytest.approx(len(view_directions(spacing_deg)) / len(group), abs=3.0)
    assert len(unit) < len(view_directions(spacing_deg, group))
    somewhere = random_rotations(500, torch.Generator().manual_seed(1), dtype=torch.float64)[:, 2]
    equivalents = (group @ somewhere.T).permute(2, 0, 1)  # (n, g, 3)
    nearest = torch.stack([nearest_angle_deg(e, unit).min() for e in equivalents])
    assert nearest.mean() < 0.5 * spacing_deg
    assert nearest.max() < 1.35 * spacing_deg


def test_rotations_cover_so3_under_symmetry() -> None:
    group = symmetry_matrices("D7")
    spacing_deg = 12.0
    grid = rotation_grid(spacing_deg, group)
    assert grid.shape[1] == 30
    poses = random_rotations(60, torch.Generator().manual_seed(2), dtype=torch.float64)
    distances = symmetric_distance_deg(poses[:, None], grid.reshape(1, -1, 3, 3), group)
    assert distances.amin(1).max() < 1.1 * spacing_deg
