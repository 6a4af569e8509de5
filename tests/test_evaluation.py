from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_cryoorient.evaluation import pose_errors, reprojection_rmse
from napari_cryoorient.geometry.rotations import random_rotations, rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import Poses
from napari_cryoorient.projection.fourier_slice import Projector

C1 = symmetry_matrices("C1")
ANGLES_DEG = np.array([1.0, 4.0, 7.0, 20.0])
OFFSETS = np.array([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0], [0.0, -2.0]])


def true_poses(n: int = 4) -> Poses:
    generator = torch.Generator().manual_seed(8)
    rotations = random_rotations(n, generator, dtype=torch.float64).numpy()
    rotations.flags.writeable = False  # as pandas hands arrays out
    return Poses(rotations, np.linspace(-5, 5, 2 * n).reshape(n, 2))


def turned_poses(true: Poses) -> Poses:
    """The true poses, each turned by its angle and moved by its offset."""
    axis = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    turn = rotation_vector_to_matrix(axis * torch.deg2rad(torch.tensor(ANGLES_DEG))[:, None])
    return Poses(turn.numpy() @ true.rotations, true.shifts_angstrom + OFFSETS)


def lopsided_projector() -> Projector:
    generator = torch.Generator().manual_seed(0)
    volume = torch.zeros(16, 16, 16, dtype=torch.float64)
    volume[4:12, 4:12, 4:12] = torch.rand(8, 8, 8, generator=generator, dtype=torch.float64)
    return Projector(volume, pixel_size_angstrom=2.0)


def test_the_figures_are_those_of_the_made_errors() -> None:
    true = true_poses()
    errors = pose_errors(turned_poses(true), true, C1)
    np.testing.assert_allclose(errors.angles_deg, ANGLES_DEG, atol=1e-9)
    np.testing.assert_allclose(errors.shifts_angstrom, [5, 0, 1, 2])
    assert errors.summary() == pytest.approx(
        {
            "n": 4,
            "median_deg": 5.5,
            "mean_deg": 8.0,
            "fraction_under_5_deg": 0.5,
            "fraction_under_10_deg": 0.75,
            "shift_rms_angstrom": math.sqrt(30 / 4),
            "shift_median_angstrom": 1.5,
        }
    )


def test_equivalent_poses_are_no_error() -> None:
    true, group = true_poses(), symmetry_matrices("D7")
    predicted = Poses(true.rotations @ group[9].numpy().T, true.shifts_angstrom)
    assert pose_errors(predicted, true, group).angles_deg.max() < 1e-5
    assert pose_errors(predicted, true, C1).angles_deg.min() > 10


def test_the_rmse_is_that_of_the_images() -> None:
    true = true_poses()
    predicted, projector = turned_poses(true), lopsided_projector()
    errors = reprojection_rmse(projector, predicted, true, batch_size=3)
    reference = projector(torch.tensor(true.rotations))
    difference = projector(torch.tensor(predicted.rotations)) - reference
    rmse = float(difference.square().mean().sqrt())
    assert errors.rmse == pytest.approx(rmse)
    assert errors.relative_rmse == pytest.approx(rmse / float(reference.std(correction=0)))
    assert errors.relative_rmse**2 == pytest.approx(float(np.mean(errors.per_image_relative**2)))
    assert np.all(np.diff(errors.per_image_relative) > 0)  # larger turns, larger differences


def test_shifts_count_only_when_asked() -> None:
    true, projector = true_poses(), lopsided_projector()
    moved = Poses(true.rotations, true.shifts_angstrom + OFFSETS)
    assert reprojection_rmse(projector, moved, true).rmse < 1e-12
    errors = reprojection_rmse(projector, moved, true, include_shifts=True)
    np.testing.assert_allclose(errors.per_image_relative[1], 0, atol=1e-9)
    assert errors.per_image_relative[0] > errors.per_image_relative[2] > 0.01


def test_unequal_or_no_poses_are_refused() -> None:
    true = true_poses()
    for compare in (
        lambda a, b: pose_errors(a, b, C1),
        lambda a, b: reprojection_rmse(lopsided_projector(), a, b),
    ):
        with pytest.raises(ValueError, match="3 predicted poses against 4 true ones"):
            compare(true[:3], true)
        with pytest.raises(ValueError, match="0 predicted poses against 0"):
            compare(true[:0], true[:0])
