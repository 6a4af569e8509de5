"""Frames of two refinements: rotation, symmetry copy, hand and origin, wrong poses among them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.diagnosis.frames import find_frame
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg, symmetry_matrices
from napari_cryoorient.particles import Poses
from support.pose_sets import rotations, two_refinements


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("symmetry", ["C1", "D7", "O"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_frame_is_found_with_a_third_of_the_poses_wrong_in_either(
    symmetry: str, is_mirrored: bool, seed: int
) -> None:
    group = symmetry_matrices(symmetry)
    pair = two_refinements(
        1500, seed, noise_deg=4.0, wrong=0.3, is_mirrored=is_mirrored, group=group.numpy()
    )
    frame = find_frame(pair.a, pair.b, group)
    assert frame.is_clear
    assert frame.hand_is_clear
    assert frame.is_mirrored == is_mirrored
    turn = torch.from_numpy(pair.turn)
    assert float(symmetric_distance_deg(torch.from_numpy(frame.rotation), turn, group)) < 1.0
    assert np.linalg.norm(frame.shift_angstrom - pair.shift) < 0.5
    assert frame.share == pytest.approx(0.49, abs=0.05)


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_poses_are_brought_over_and_back(is_mirrored: bool) -> None:
    pair = two_refinements(400, 5, noise_deg=0.0, is_mirrored=is_mirrored)
    frame = find_frame(pair.a, pair.b, symmetry_matrices("C1"))
    there = frame.onto_first(pair.b)
    np.testing.assert_allclose(there.rotations, pair.a.rotations, atol=1e-6)
    # The shifts differ by what was drawn for them, 0.5 A along each axis, and by nothing else.
    assert np.std(there.shifts_angstrom - pair.a.shifts_angstrom) == pytest.approx(0.5, rel=0.1)
    back = frame.onto_second(there)
    np.testing.assert_allclose(back.rotations, pair.b.rotations, atol=1e-9)
    np.testing.assert_allclose(back.shifts_angstrom, pair.b.shifts_angstrom, atol=1e-9)


@pytest.mark.parametrize("symmetry", ["C1", "D7", "I"])
def test_poses_that_have_nothing_in_common_have_no_frame(symmetry: str) -> None:
    n = 1000
    shifts = np.zeros((n, 2))
    a, b = (Poses(rotations(n, seed), shifts) for seed in (1, 2))
    frame = find_frame(a, b, symmetry_matrices(symmetry))
    assert not frame.is_clear
    assert not frame.is_mirrored
    np.testing.assert_array_equal(frame.rotation, np.eye(3))
    assert "chance" in frame.describe()


def test_views_along_one_axis_do_not_tell_the_hand() -> None:
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 300)
    zero, one = np.zeros(300), np.ones(300)
    c, s = np.cos(angles), np.sin(angles)
    flat = np.stack([c, -s, zero, s, c, zero, zero, zero, one], axis=1).reshape(-1, 3, 3)
    poses = Poses(flat, np.zeros((300, 2)))
    frame = find_frame(poses, poses, symmetry_matrices("C1"))
    assert frame.is_clear
    assert not frame.is_mirrored
    assert not frame.hand_is_clear


def test_few_pairs_are_compared_as_they_are() -> None:
    pair = two_refinements(3, 0)
    assert not find_frame(pair.a, pair.b, symmetry_matrices("C1")).is_clear
