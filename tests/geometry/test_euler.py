"""RELION's angles and matrices, by formula and back, without torch."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_cryoorient.geometry.euler import euler_zyz_deg_to_matrix, matrix_to_euler_zyz_deg


def test_euler_angles_make_relions_matrix() -> None:
    rot, tilt, psi = 33.0, 71.0, -120.0
    a = np.radians(rot), np.radians(tilt)
    matrix = euler_zyz_deg_to_matrix(np.array([rot, tilt, psi]))
    expected = Rotation.from_euler("ZYZ", [rot, tilt, psi], degrees=True).as_matrix().T
    np.testing.assert_allclose(matrix, expected, atol=1e-14)
    viewing = [math.sin(a[1]) * math.cos(a[0]), math.sin(a[1]) * math.sin(a[0]), math.cos(a[1])]
    np.testing.assert_allclose(matrix[2], viewing, atol=1e-14)


def test_psi_turns_the_content_backwards() -> None:
    point = np.array([1.0, 0.0, 0.0])
    moved = euler_zyz_deg_to_matrix(np.array([0.0, 0.0, 90.0])) @ point
    np.testing.assert_allclose(moved, [0.0, -1.0, 0.0], atol=1e-14)


@pytest.mark.parametrize("tilt", [0.0, 1e-7, 40.0, 90.0, 179.9999999, 180.0])
def test_euler_angles_return_the_same_matrix_without_a_warning(tilt: float) -> None:
    angles = np.array([[30.0, tilt, -75.0], [-170.0, tilt, 12.0], [0.0, tilt, 0.0]])
    matrices = euler_zyz_deg_to_matrix(angles)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = matrix_to_euler_zyz_deg(matrices)
    assert np.all((back[:, 1] >= 0) & (back[:, 1] <= 180))
    np.testing.assert_allclose(euler_zyz_deg_to_matrix(back), matrices, atol=1e-8)


def test_euler_angles_return_themselves_away_from_the_poles() -> None:
    angles = np.array([[[30.0, 20.0, -75.0]], [[-170.0, 160.0, 12.0]]])
    np.testing.assert_allclose(
        matrix_to_euler_zyz_deg(euler_zyz_deg_to_matrix(angles)), angles, atol=1e-9
    )
