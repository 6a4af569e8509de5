from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from napari_cryoorient.alignment.refine.gauss_newton import Hypotheses
from napari_cryoorient.alignment.refine.hypotheses import Thinning, by_image, thinned
from napari_cryoorient.alignment.refine.posterior import (
    TEMPERATURE,
    choose,
    probability_within,
)
from napari_cryoorient.geometry.rotations import random_rotations, rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetry_matrices

D2 = symmetry_matrices("D2").float()
C1 = symmetry_matrices("C1").float()


def hypotheses(rotations: torch.Tensor, log_likelihood: list[float]) -> Hypotheses:
    n = len(rotations)
    curvature = torch.diag(torch.tensor([2e3, 2e3, 2e3, 1.0, 1.0])).expand(n, 5, 5)
    score = torch.tensor(log_likelihood)
    return Hypotheses(
        rotations,
        torch.zeros(n, 2),
        score,
        curvature,
        torch.ones(n),
        torch.zeros(n, 5),
        torch.ones(n),
        score,
    )


def test_laid_out_by_image_best_first():
    images, index, is_there = by_image(
        torch.tensor([1.0, 5.0, 3.0, 2.0]), torch.tensor([4, 1, 4, 4])
    )
    assert images.tolist() == [1, 4]
    assert index[0, 0] == 1
    assert index[1].tolist() == [2, 3, 0]
    assert is_there.tolist() == [[True, False, False], [True, True, True]]


def test_repeats_are_dropped_under_the_symmetry_and_weak_ones_too():
    base = random_rotations(1, torch.Generator().manual_seed(1))[0]
    tilted = rotation_vector_to_matrix(torch.tensor([0.5, 0.0, 0.0])) @ base
    near = rotation_vector_to_matrix(torch.tensor([0.0, 0.05, 0.0])) @ base
    poses = torch.stack([base, near, base @ D2[2].T, tilted, tilted @ D2[1].T])
    at, owner = hypotheses(poses, [20.0, 19.0, 18.0, 17.0, 5.0]), torch.zeros(5, dtype=torch.long)
    kept, lost = thinned(at, owner, D2, Thinning(4, deficit=6.0, part=0.0))
    assert kept.tolist() == [0, 3]
    assert lost[0] == -math.inf  # all that was left out were repeats
    kept, lost = thinned(at, owner, C1, Thinning(2, deficit=6.0, part=0.0))
    assert kept.tolist() == [0, 2]
    assert lost[0] > -4


def test_confidence_is_the_share_of_the_mass_near_the_best():
    base = random_rotations(1, torch.Generator().manual_seed(1))[0]
    tilted = rotation_vector_to_matrix(torch.tensor([0.8, 0.0, 0.0])) @ base
    owner = torch.tensor([0, 0, 1])
    at = hypotheses(torch.stack([base, tilted, base]), [30.0, 30.0 - 1e-3, 40.0])
    choice = choose(at, owner, C1, torch.full((2,), -math.inf))
    assert choice.best.tolist() == [0, 2]
    assert choice.runner_up.tolist() == [1, -1]
    assert torch.allclose(choice.confidence, torch.tensor([0.5, 1.0]), atol=1e-2)
    doubted = choose(at, owner, C1, torch.zeros(2))
    assert torch.allclose(doubted.confidence, torch.tensor([1 / 3, 0.5]), atol=1e-2)


@pytest.mark.parametrize("sigmas_deg", [(6.0, 6.0, 6.0), (9.0, 3.0, 1.0), (4.0, 4.0, 0.5)])
def test_probability_within_an_angle_is_that_of_a_gaussian(sigmas_deg):
    sigmas = torch.tensor(sigmas_deg)
    draws = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(2)) * sigmas
    expected = float((draws.norm(dim=1) < 10).float().mean())
    precision = torch.cat([torch.deg2rad(sigmas).square().reciprocal(), torch.ones(2)])
    assert abs(float(probability_within(torch.diag(precision)[None], 10.0)) - expected) < 5e-3


def test_a_broad_peak_is_as_much_flatter_as_the_likelihood():
    base = random_rotations(1, torch.Generator().manual_seed(1))
    at = hypotheses(base, [30.0])
    curvature = torch.diag(torch.tensor([200.0, 200.0, 200.0, 1.0, 1.0]))[None]
    at = replace(at, curvature=curvature)
    choice = choose(at, torch.tensor([0]), C1, torch.tensor([-math.inf]))
    expected = probability_within(curvature / TEMPERATURE, 10.0)
    assert float(expected) < 0.9
    torch.testing.assert_close(choice.confidence, expected)
