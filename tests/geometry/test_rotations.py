from __future__ import annotations

import math

import numpy as np
import pytest
import roma
import torch
from scipy.spatial.transform import Rotation

from napari_cryoorient.geometry.rotations import (
    angular_distance_deg,
    matrix_to_quaternion,
    matrix_to_rotation_vector,
    nearest_rotation,
    quaternion_to_matrix,
    random_rotations,
    rotation_vector_to_matrix,
    six_d_to_matrix,
    turn_in_plane,
)

DOUBLE = torch.float64


def rotations(n: int) -> torch.Tensor:
    return random_rotations(n, torch.Generator().manual_seed(4), dtype=DOUBLE)


def test_quaternions_are_scalar_first() -> None:
    a = rotations(50)
    quaternions = matrix_to_quaternion(a).numpy()
    expected = Rotation.from_matrix(a.numpy()).as_quat(scalar_first=True, canonical=True)
    np.testing.assert_allclose(quaternions, expected, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-8, 1.0, math.pi - 1e-8, math.pi])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-0.6, 0.0, 0.8)])
def test_vector_matrix_quaternion_agree_at_every_angle(
    angle: float, axis: tuple[float, float, float]
) -> None:
    vector = angle * torch.tensor(axis, dtype=DOUBLE)
    matrix = rotation_vector_to_matrix(vector)
    expected = Rotation.from_rotvec(vector.numpy()).as_matrix()
    np.testing.assert_allclose(matrix.numpy(), expected, atol=1e-12)
    again = quaternion_to_matrix(matrix_to_quaternion(matrix))
    torch.testing.assert_close(again, matrix, atol=1e-12, rtol=0)
    again = rotation_vector_to_matrix(matrix_to_rotation_vector(matrix))
    torch.testing.assert_close(again, matrix, atol=1e-12, rtol=0)


def test_a_quaternion_of_any_length_or_sign_is_one_rotation() -> None:
    quaternion = torch.randn(7, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    matrix = quaternion_to_matrix(quaternion)
    torch.testing.assert_close(quaternion_to_matrix(-3 * quaternion), matrix)
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(7, dtype=DOUBLE))


def test_six_numbers_become_the_nearest_frame() -> None:
    a = rotations(20)
    stretched = torch.cat([2 * a[..., 0], a[..., 1] + 0.3 * a[..., 0]], dim=-1)
    torch.testing.assert_close(six_d_to_matrix(stretched), a)


def test_the_nearest_rotation_is_romas() -> None:
    generator = torch.Generator().manual_seed(3)
    matrices = torch.randn(4, 60, 3, 3, dtype=DOUBLE, generator=generator)
    expected = roma.special_procrustes(matrices)
    torch.testing.assert_close(nearest_rotation(matrices), expected, atol=1e-12, rtol=0)
    assert (torch.linalg.det(matrices) < 0).any()
    torch.testing.assert_close(
        torch.linalg.det(nearest_rotation(matrices)), torch.ones(4, 60, dtype=DOUBLE)
    )


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_no_rotation_tried_is_nearer_than_the_nearest(dtype: torch.dtype) -> None:
    a = rotations(8).to(dtype)
    mean = (0.5 * a[:4] + 0.2 * a[4:]) * 3.0
    found = nearest_rotation(mean)
    assert found.dtype == dtype
    distance = (found - mean).square().sum((-2, -1))
    tried = random_rotations(4000, torch.Generator().manual_seed(5), dtype=dtype)
    assert (distance <= (tried[:, None] - mean).square().sum((-2, -1)).amin(0) + 1e-5).all()


def test_representations_are_romas() -> None:
    a = rotations(40)
    torch.testing.assert_close(matrix_to_rotation_vector(a), roma.rotmat_to_rotvec(a))
    vectors = 2.0 * torch.randn(40, 3, dtype=DOUBLE, generator=torch.Generator().manual_seed(6))
    torch.testing.assert_close(rotation_vector_to_matrix(vectors), roma.rotvec_to_rotmat(vectors))
    quaternions = matrix_to_quaternion(a)
    scalar_last = quaternions[:, [1, 2, 3, 0]]
    torch.testing.assert_close(
        quaternion_to_matrix(quaternions), roma.unitquat_to_rotmat(scalar_last)
    )
    six = torch.randn(40, 3, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(7))
    found = six_d_to_matrix(six.transpose(1, 2).flatten(1))
    torch.testing.assert_close(found, roma.special_gramschmidt(six))
    torch.testing.assert_close(
        torch.deg2rad(angular_distance_deg(a[:20], a[20:])),
        roma.rotmat_geodesic_distance(a[:20], a[20:]),
    )


def test_a_turn_in_the_plane_takes_x_to_y() -> None:
    turn = turn_in_plane(torch.tensor([math.pi / 2, 0.3], dtype=DOUBLE))
    x = torch.tensor([1.0, 0.0, 0.0], dtype=DOUBLE)
    expected = torch.tensor([[0.0, 1.0, 0.0], [math.cos(0.3), math.sin(0.3), 0.0]], dtype=DOUBLE)
    torch.testing.assert_close(turn @ x, expected)


@pytest.mark.parametrize(
    ("function", "n_inputs"),
    [(quaternion_to_matrix, 4), (rotation_vector_to_matrix, 3), (six_d_to_matrix, 6)],
    ids=["quaternion", "vector", "six"],
)
def test_gradients_are_exact(function, n_inputs: int) -> None:  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(2, 3, n_inputs, dtype=DOUBLE, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(function, (inputs,))


def test_the_rotation_vector_is_smooth_at_zero() -> None:
    zero = torch.zeros(1, 3, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(rotation_vector_to_matrix, (zero,))


def test_random_rotations_are_uniform_and_repeatable() -> None:
    a = random_rotations(4000, torch.Generator().manual_seed(2))
    b = random_rotations(4000, torch.Generator().manual_seed(2), dtype=DOUBLE)
    torch.testing.assert_close(a, b.float())
    # Uniform on SO(3): no mean, and a mean angle of pi / 2 + 2 / pi from any rotation.
    assert a.mean(0).abs().max() < 0.04
    angles = angular_distance_deg(b, rotations(1))
    assert abs(float(angles.mean()) - math.degrees(math.pi / 2 + 2 / math.pi)) < 2


@pytest.mark.parametrize("angle_deg", [0.0, 1e-6, 5.0, 90.0, 179.9999, 180.0])
def test_the_distance_is_right_from_0_to_180(angle_deg: float) -> None:
    a = rotations(10)
    axis = torch.nn.functional.normalize(torch.tensor([0.2, -0.5, 0.9], dtype=DOUBLE), dim=0)
    b = rotation_vector_to_matrix(axis * math.radians(angle_deg)) @ a
    expected = torch.full((10,), angle_deg, dtype=DOUBLE)
    torch.testing.assert_close(
        angular_distance_deg(a, b), expected, atol=2e-6 if angle_deg > 90 else 1e-12, rtol=1e-9
    )


def test_float32_stays_float32() -> None:
    a = random_rotations(3)
    for result in (
        matrix_to_quaternion(a),
        matrix_to_rotation_vector(a),
        angular_distance_deg(a, a),
        rotation_vector_to_matrix(torch.ones(2, 3)),
    ):
        assert result.dtype == torch.float32
