from __future__ import annotations

import pytest
import torch

from napari_cryoorient.geometry.rotations import (
    angular_distance_deg,
    matrix_to_quaternion,
    random_rotations,
)
from napari_cryoorient.training.losses import (
    quaternion_distance,
    reprojection_loss,
    unit_contrast_scale,
    weighted_objective,
)


def random_quaternions(n: int, seed: int) -> torch.Tensor:
    return matrix_to_quaternion(random_rotations(n, torch.Generator().manual_seed(seed)))


def test_quaternion_distance_is_the_squared_sine_of_half_the_angle():
    a = random_rotations(50, torch.Generator().manual_seed(1), dtype=torch.float64)
    b = random_rotations(50, torch.Generator().manual_seed(2), dtype=torch.float64)
    half_angle = torch.deg2rad(angular_distance_deg(a, b)) / 2
    for i in range(50):
        qd = quaternion_distance(matrix_to_quaternion(a[i : i + 1]), matrix_to_quaternion(b[i]))
        torch.testing.assert_close(qd, torch.sin(half_angle[i]) ** 2)


def test_quaternion_distance_is_blind_to_the_sign():
    q, p = random_quaternions(10, 1), random_quaternions(10, 2)
    torch.testing.assert_close(quaternion_distance(q, p), quaternion_distance(-q, p))


def test_random_pose_costs_three_quarters():
    qd = quaternion_distance(random_quaternions(20000, 1), random_quaternions(20000, 2))
    assert float(qd) == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize(("w", "expected"), [(0.0, 3.0), (0.25, 2.5), (1.0, 1.0)])
def test_objective_is_equation_15(w: float, expected: float):
    objective = weighted_objective(torch.tensor(1.0), torch.tensor(3.0), w)
    assert float(objective) == pytest.approx(expected)


@pytest.mark.parametrize("w", [0.0, 1.0])
def test_term_without_weight_cannot_spoil_the_objective(w: float):
    nan, one = torch.tensor(float("nan")), torch.tensor(1.0)
    assert float(weighted_objective(*((nan, one) if w == 0.0 else (one, nan)), w)) == 1.0


def test_scale_makes_the_loss_independent_of_the_grey_scale():
    images = torch.randn(8, 16, 16, generator=torch.Generator().manual_seed(0))
    for grey in (1e-4, 1.0, 300.0):
        scaled = images * grey * unit_contrast_scale(images * grey)
        assert float(scaled.flatten(1).std(dim=1).mean()) == pytest.approx(1.0, rel=1e-4)
    assert unit_contrast_scale(torch.ones(2, 4, 4)) == 1.0
    assert float(reprojection_loss(images, images + 2.0)) == pytest.approx(2.0)
