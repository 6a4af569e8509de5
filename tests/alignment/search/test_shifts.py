"""Shifts that are tried, how likely they are taken to be, and what a stack teaches about them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.search.shifts import ShiftPrior, hexagonal_shifts, trusted


def test_hexagonal_shifts_lie_a_step_apart_within_reach():
    shifts = hexagonal_shifts(16.0, 5.0)
    distances = torch.cdist(shifts, shifts) + 99 * torch.eye(len(shifts))
    assert torch.allclose(distances.amin(1), torch.full((len(shifts),), 5.0), atol=1e-4)
    assert shifts[0].tolist() == [0, 0]
    assert float(shifts.norm(dim=1).max()) <= 16.0
    assert hexagonal_shifts(0.0, 5.0).tolist() == [[0, 0]]


def test_seven_shifts_at_least_unless_particles_are_known_to_be_centred():
    assert len(ShiftPrior(1.0, 20.0).grid(7.0)) == 7
    assert len(ShiftPrior(10.0, 20.0).grid(7.0)) > 7
    assert ShiftPrior(10.0, 0.0).grid(7.0).tolist() == [[0, 0]]
    assert ShiftPrior(3.0, 20.0, (4.0, -2.0)).grid(7.0)[0].tolist() == [4, -2]


def test_far_shifts_are_unlikely_but_never_impossible():
    prior = ShiftPrior(5.0, 25.0)
    near, some, far = prior.log_density(torch.tensor([[0.0, 0.0], [5.0, 0.0], [25.0, 0.0]]))
    assert near - some == pytest.approx(0.5, abs=0.05)
    assert 4 < near - far < 8
    assert prior.beyond(torch.tensor([[3.0, 0.0], [25.0, 0.0]]), 6.0).tolist() == [False, True]
    assert not prior.widened(25.0).beyond(torch.tensor([25.0, 0.0]), 6.0)


def test_a_stack_teaches_centre_and_spread_whatever_a_few_do():
    shifts = np.random.default_rng(1).normal([3.0, -6.0], 4.0, (200, 2))
    shifts[:10] = 60.0
    learned = ShiftPrior(13.0, 25.0).learned(shifts, 1.0)
    assert learned.sigma_angstrom == pytest.approx(4.0, rel=0.15)
    assert learned.centre_angstrom == pytest.approx((3.0, -6.0), abs=1.0)
    assert ShiftPrior(13.0, 25.0).learned(shifts[:4], 1.0) == ShiftPrior(13.0, 25.0)
    assert ShiftPrior(13.0, 25.0).learned(0 * shifts, 1.0).sigma_angstrom == 1.0


def test_fairly_sure_poses_teach_where_few_are_sure():
    random = np.random.default_rng(2)
    shifts = random.normal(0.0, 4.5, (64, 2))
    shifts[22:] = random.uniform(-25.0, 25.0, (42, 2))  # of these, eight are believed
    confidence = np.where(np.arange(64) < 30, 0.6, 0.2)
    confidence[:5] = 0.97
    assert len(trusted(shifts, confidence)) == 30
    learned = ShiftPrior(13.0, 25.0).learned(trusted(shifts, confidence), 1.0)
    assert learned.sigma_angstrom == pytest.approx(4.5, rel=0.35)
    confidence[:8] = 0.97
    assert len(trusted(shifts, confidence)) == 8
