"""Shifts that are tried, how likely they are taken to be, and what a stack teaches about them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.search.shifts import ShiftPrior, hexagonal_shifts


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


def test_a_thorough_grid_leaves_next_to_no_particle_out():
    prior = ShiftPrior(6.0, 25.0)
    shifts = np.random.default_rng(0).normal(0.0, 6.0, (2000, 2))
    drawn = torch.from_numpy(shifts).float()
    assert prior.beyond(drawn, 5.0).float().mean() > 0.05
    assert prior.thorough().beyond(drawn, 5.0).float().mean() < 0.005
    assert len(prior.thorough().grid(5.0)) > 1.5 * len(prior.grid(5.0))


def test_the_density_of_shifts_is_one_in_the_plane():
    prior, step = ShiftPrior(5.0, 25.0, (2.0, -3.0)), 0.5
    axis = torch.arange(-60.0, 60.0, step)
    plane = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    near = (plane.norm(dim=-1) < 25.0).float()  # the few that lie anywhere lie within the reach
    total = (prior.log_probability(plane).exp() * near).sum() * step**2
    assert float(total) == pytest.approx(1.0, abs=0.02)


def test_a_stack_teaches_centre_and_spread_whatever_a_few_do():
    shifts = np.random.default_rng(1).normal([3.0, -6.0], 4.0, (200, 2))
    shifts[:10] = 60.0
    everyone = np.ones(200)
    prior = ShiftPrior(13.0, 25.0)
    learned = prior.learned(shifts, everyone, 1.0)
    assert learned.sigma_angstrom == pytest.approx(4.0, rel=0.15)
    assert learned.centre_angstrom == pytest.approx((3.0, -6.0), abs=1.0)
    assert prior.learned(shifts[:4], everyone[:4], 1.0) == prior
    assert prior.learned(0 * shifts, everyone, 1.7).sigma_angstrom == pytest.approx(1.7)


def test_few_sure_poses_teach_less_than_many():
    random = np.random.default_rng(2)
    shifts = random.normal(0.0, 4.5, (400, 2))
    prior = ShiftPrior(13.0, 25.0)
    few, many = (prior.learned(shifts[:n], np.ones(n), 1.0).sigma_angstrom for n in (10, 400))
    assert many == pytest.approx(4.5, rel=0.1)
    assert 4.5 < few < 9.0


def test_poses_that_are_not_believed_teach_nothing():
    random = np.random.default_rng(2)
    shifts = random.normal(0.0, 4.5, (120, 2))
    shifts[40:] = random.uniform(-25.0, 25.0, (80, 2))
    believed = np.where(np.arange(120) < 40, 0.9, 0.0)
    learned = ShiftPrior(13.0, 25.0).learned(shifts, believed, 1.0)
    assert learned.sigma_angstrom == pytest.approx(4.5, rel=0.35)


def test_a_centre_that_chance_explains_is_taken_for_zero():
    random = np.random.default_rng(2)
    prior, everyone = ShiftPrior(13.0, 60.0), np.ones(64)
    off = [
        prior.learned(random.normal(0.0, 15.0, (64, 2)), everyone, 1.0).centre_angstrom
        for _ in range(200)
    ]
    # By chance alone the means of 64 lie 2.65 A from zero (root mean square).
    assert np.sqrt(np.mean(np.square(off).sum(1))) < 1.7
    assert np.mean(np.square(off).sum(1) == 0) > 0.4
