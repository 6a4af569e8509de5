from __future__ import annotations

import math

import pytest
import torch

from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg, symmetry_matrices
from napari_cryoorient.networks.pose_grid import PoseGrid

ANGLES = torch.arange(48) * (2 * math.pi / 48)
SYMMETRIES = ["C1", "C3", "D2", "D7", "T", "O", "I1"]


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_traces_are_distances_under_the_group(symmetry: str) -> None:
    grid = PoseGrid(20.0, symmetry, 60.0)
    poses = random_rotations(5, torch.Generator().manual_seed(0))
    angles = ANGLES[::7] + 0.1
    index = torch.arange(grid.n_directions * len(angles))
    cells = grid.cells(index, angles)
    group = symmetry_matrices(symmetry).float()
    expected = symmetric_distance_deg(poses[:, None], cells[None], group)
    cosine = ((grid.traces(poses, angles).flatten(1) - 1) / 2).clamp(-1, 1)
    torch.testing.assert_close(torch.rad2deg(torch.acos(cosine)), expected, atol=0.1, rtol=0)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_the_mean_pose_of_the_target_is_the_true_pose(symmetry: str) -> None:
    n_group = len(symmetry_matrices(symmetry))
    grid = PoseGrid(9.0 * n_group**-0.15, symmetry, 60.0)
    poses = random_rotations(60, torch.Generator().manual_seed(1))
    target = grid.target(poses, ANGLES).unflatten(1, (grid.n_directions, len(ANGLES)))
    mean, share = grid.mean_pose(target.clamp_min(1e-30).log(), ANGLES)
    error = symmetric_distance_deg(mean, poses, symmetry_matrices(symmetry).float())
    assert error.median() < 1.0
    assert error.max() < 4.0
    assert share.min() > 0.7


def test_an_equivalent_pose_has_the_same_target() -> None:
    grid = PoseGrid(12.0, "D7", 60.0)
    group = symmetry_matrices("D7").float()
    poses = random_rotations(4, torch.Generator().manual_seed(2))
    turned = poses @ group[5].T
    torch.testing.assert_close(
        grid.target(poses, ANGLES), grid.target(turned, ANGLES), atol=1e-6, rtol=1e-3
    )


def test_divergence_is_zero_for_the_target_and_one_for_ignorance() -> None:
    grid = PoseGrid(12.0, "C1", 60.0)
    poses = random_rotations(4, torch.Generator().manual_seed(3))
    logits = grid.target(poses, ANGLES).clamp_min(1e-30).log()
    logits = logits.unflatten(1, (grid.n_directions, len(ANGLES)))
    assert abs(float(grid.divergence(logits, poses, ANGLES))) < 1e-4
    assert float(grid.divergence(torch.zeros_like(logits), poses, ANGLES)) == pytest.approx(1.0)
    other = random_rotations(4, torch.Generator().manual_seed(4))
    assert float(grid.divergence(logits, other, ANGLES)) > 1.0


def test_the_mean_pose_passes_gradients_and_agrees_with_the_one_without() -> None:
    grid = PoseGrid(12.0, "C1", 60.0)
    poses = random_rotations(3, torch.Generator().manual_seed(5))
    logits = grid.target(poses, ANGLES).clamp_min(1e-20).log()
    logits = logits.unflatten(1, (grid.n_directions, len(ANGLES))).requires_grad_()
    with_gradient, _ = grid.mean_pose(logits, ANGLES)
    (with_gradient * torch.randn(3, 3)).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().sum() > 0
    with torch.no_grad():
        without, _ = grid.mean_pose(logits, ANGLES)
    assert symmetric_distance_deg(with_gradient.detach(), without, torch.eye(3)[None]).max() < 1.0
