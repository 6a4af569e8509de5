"""Which refined poses are right: two groups told apart, whatever the starts were worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.refine.confidence import (
    chance_by_likelihood,
    confidence_of,
    made_data,
)
from napari_cryoorient.alignment.refine.gauss_newton import evaluate
from napari_cryoorient.alignment.refine.local import LocalRefinement, RefinedPoses, strengths_of
from napari_cryoorient.alignment.refine.two_groups import (
    Strengths,
    WrongGroup,
    learned_amplitudes,
    probability_right,
)
from napari_cryoorient.evaluation import pose_errors
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import Poses

C1 = symmetry_matrices("C1")
WRONG = WrongGroup(likeness=0.4, gain=1.5, spread=0.05, noise=0.5)


def drawn(
    n: int, share_right: float, information: float, seed: int = 0
) -> tuple[Strengths, np.ndarray]:
    """Draw strengths of a stack from the model itself."""
    rng = np.random.default_rng(seed)
    norm = information * rng.uniform(0.5, 2.0, n)
    is_right = rng.random(n) < share_right
    empty = Strengths(np.zeros(n), norm)
    mean, sigma = WRONG.mean_and_sigma(empty)
    strength = np.where(is_right, 1.0, mean) + rng.standard_normal(n) * np.where(
        is_right, np.sqrt(0.05**2 + 0.5 / norm), sigma
    )
    return Strengths(strength, norm), is_right


@pytest.mark.parametrize("share_right", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("information", [25.0, 60.0])
def test_probabilities_are_calibrated_for_any_share_of_right_poses(share_right, information):
    at, is_right = drawn(3000, share_right, information)
    said = probability_right(at, at, np.zeros(3000, dtype=bool), WRONG)
    assert said.mean() == pytest.approx(share_right, abs=0.05)
    for low in np.arange(0.0, 1.0, 0.2):
        inside = (said >= low) & (said <= low + 0.2)
        if inside.sum() >= 60:
            noise = np.sqrt(0.25 / inside.sum())
            assert is_right[inside].mean() == pytest.approx(
                said[inside].mean(), abs=0.05 + 2 * noise
            )


def test_the_best_of_many_new_starts_wants_more_strength_to_be_believed():
    first, _ = drawn(400, 0.5, 30.0)
    restarted = first.strength < 0.8
    final = Strengths(np.where(restarted, 0.8, first.strength), first.information)
    once = probability_right(final, final, np.zeros(400, dtype=bool), WRONG)
    of_many = probability_right(first, final, restarted, WRONG)
    assert of_many[restarted].mean() < once[restarted].mean() - 0.1


def test_strength_beyond_the_mean_is_no_doubt():
    at, _ = drawn(500, 0.7, 30.0)
    more = Strengths(
        np.append(at.strength, np.linspace(1.0, 3.0, 20)), np.append(at.information, [30.0] * 20)
    )
    said = probability_right(more, more, np.zeros(520, dtype=bool), WRONG)[-20:]
    assert (np.diff(said) >= -1e-9).all()


def test_wrong_group_is_read_from_decoys():
    at, _ = drawn(4000, 0.0, 40.0)
    found = WrongGroup.of_decoys(at)
    empty = Strengths(np.zeros(3), np.array([30.0, 40.0, 55.0]))
    for mine, true in zip(found.mean_and_sigma(empty), WRONG.mean_and_sigma(empty), strict=True):
        np.testing.assert_allclose(mine, true, rtol=0.08)


@pytest.fixture(scope="module")
def half_wrong(likelihood, particles) -> tuple[LocalRefinement, RefinedPoses, np.ndarray]:
    """Every other particle starts at a random pose."""
    anywhere = random_rotations(40, torch.Generator().manual_seed(3)).double().numpy()
    rotations = particles.poses.rotations.copy()
    rotations[::2] = anywhere[::2]
    refinement = LocalRefinement(likelihood)
    start = Poses(rotations, particles.poses.shifts_angstrom)
    refined = RefinedPoses.joined(list(refinement.refine(np.arange(40), start)))
    errors = pose_errors(refined.poses, particles.poses, C1).angles_deg
    return refinement, refined, errors < 10


def test_refined_poses_are_told_from_strays(half_wrong):
    refinement, refined, is_right = half_wrong
    assert 4 <= (~is_right).sum() <= 20
    said = confidence_of(refinement, refined, C1)
    assert said[is_right].mean() > 0.9
    assert said[~is_right].mean() < 0.3
    np.testing.assert_array_equal(said, confidence_of(refinement, refined, C1))


def test_images_made_to_be_climbed_hold_their_projection_once_and_the_stacks_noise(
    half_wrong, particles
):
    refinement, refined, _ = half_wrong
    rows = np.tile(refined.rows, 5)
    poses = particles.poses[rows]
    made = made_data(refinement, rows, poses, torch.Generator().manual_seed(1))
    rotations = torch.from_numpy(poses.rotations).float()
    shifts = torch.from_numpy(poses.shifts_angstrom).float()
    at = strengths_of(evaluate(refinement.likelihood, made, rotations, shifts))
    assert at.strength.mean() == pytest.approx(1.0, abs=0.02)
    z = (at.strength - 1.0) / np.sqrt(0.5 / at.information)
    assert z.std() == pytest.approx(1.0, abs=0.15)


def test_chance_rises_with_the_likelihood_and_is_near_one_where_all_ended_right():
    rng = np.random.default_rng(0)
    norm = rng.uniform(10.0, 40.0, 300)
    made = Strengths(np.ones(300), norm)
    is_right = rng.random(300) < 1 / (1 + np.exp(-(norm - 20.0) / 3.0))
    at = Strengths(np.ones(3), np.array([15.0, 20.0, 35.0]))
    said = chance_by_likelihood(made, is_right, at)
    np.testing.assert_allclose(said, 1 / (1 + np.exp(-(at.information - 20.0) / 3.0)), atol=0.12)
    assert chance_by_likelihood(made, np.ones(300, dtype=bool), at).min() > 0.97


def test_what_a_search_said_holds_for_poses_that_stayed(half_wrong, likelihood, particles):
    refinement, strayed, _ = half_wrong
    tops = RefinedPoses.joined(list(refinement.refine(np.arange(len(particles)), particles.poses)))
    tops = RefinedPoses.joined(list(refinement.refine(np.arange(len(particles)), tops.poses)))
    stated = np.linspace(0.05, 0.95, len(particles))
    np.testing.assert_array_equal(
        confidence_of(refinement, tops, C1, stated=stated)[tops.moved_deg < 10],
        stated[tops.moved_deg < 10],
    )
    # Starts that moved were not the likeliest, whoever stated them; nor are scores probabilities.
    alone = confidence_of(refinement, strayed, C1)
    np.testing.assert_array_equal(confidence_of(refinement, strayed, C1, stated=stated), alone)
    np.testing.assert_array_equal(
        confidence_of(refinement, tops, C1, stated=stated * 20), confidence_of(refinement, tops, C1)
    )


def test_amplitudes_are_read_from_right_poses():
    random = np.random.default_rng(5)
    n, information = 400, random.uniform(20.0, 80.0, 400)
    noise = random.normal(size=n) * np.sqrt(0.5 / information)
    right = random.normal(0.8, 0.16, n) + noise
    wrong = random.normal(0.3, 0.05, n)
    is_right = np.arange(n) < 300
    at = Strengths(np.where(is_right, right, wrong), information)
    mean, spread = learned_amplitudes(at, is_right.astype(float))
    assert mean == pytest.approx(0.8, abs=0.03)
    assert spread == pytest.approx(0.2, abs=0.04)
    unheard = learned_amplitudes(at, np.zeros(n))
    assert unheard == pytest.approx((1.0, 0.25), abs=0.02)
