"""Gradient and curvature against differences, and climbs from poses that are off."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.refine.gauss_newton import evaluate, gauss_newton
from napari_cryoorient.geometry.rotations import angular_distance_deg, rotation_vector_to_matrix


@pytest.fixture
def truth(particles):
    poses = particles.poses[np.arange(8)]
    return torch.from_numpy(poses.rotations).float(), torch.from_numpy(
        poses.shifts_angstrom
    ).float()


def moved(rotations, shifts, step):
    return rotation_vector_to_matrix(step[:, :3]) @ rotations, shifts + step[:, 3:]


@pytest.mark.parametrize("axis", range(5), ids=["turn x", "turn y", "turn z", "shift x", "shift y"])
def test_gradient_is_that_of_the_likelihood(likelihood, truth, axis):
    data = likelihood.load(np.arange(8))
    rotations, shifts = moved(*truth, torch.full((8, 5), 0.03))
    h = 0.02 if axis < 3 else 0.2
    step = torch.zeros(8, 5)
    step[:, axis] = h
    ahead = evaluate(likelihood, data, *moved(rotations, shifts, step)).log_likelihood
    behind = evaluate(likelihood, data, *moved(rotations, shifts, -step)).log_likelihood
    gradient = evaluate(likelihood, data, rotations, shifts).gradient[:, axis]
    expected = (ahead - behind) / (2 * h)
    # Rotations go through a linear interpolation, whose slope has steps.
    tolerance = 0.15 if axis < 3 else 0.01
    assert (gradient - expected).norm() < tolerance * expected.norm()


def test_climb_ends_at_the_pose_of_a_clean_image(density, truth, likelihood, simulation):
    data = likelihood.load(np.arange(8))
    rotations, shifts = truth
    # The image is its own projection: the truth, and amplitude 1, are the top.
    m = data.cross.shape[1]
    clean = likelihood.slices(rotations, m) * likelihood.ramps(shifts, m)
    data = type(data)(data.power * clean, data.power, data.energy)
    off = torch.tensor([0.06, -0.05, 0.04, 3.0, -4.0]).expand(8, 5)
    found = gauss_newton(
        likelihood, data, *moved(rotations, shifts, off), n_steps=8, largest_turn_deg=8
    )
    assert angular_distance_deg(found.rotations, rotations).max() < 0.3
    assert (found.shifts_angstrom - shifts).abs().max() < 0.1
    assert torch.allclose(found.amplitude, torch.ones(8), atol=0.01)


def test_curvature_tells_how_far_noise_moves_a_pose(likelihood, particles):
    rows = np.arange(len(particles))
    data = likelihood.load(rows)
    rotations = torch.from_numpy(particles.poses.rotations).float()
    shifts = torch.from_numpy(particles.poses.shifts_angstrom).float()
    found = gauss_newton(likelihood, data, rotations, shifts, n_steps=5, largest_turn_deg=8)
    expected = torch.linalg.inv(found.curvature).diagonal(dim1=1, dim2=2)
    shift_error = (found.shifts_angstrom - shifts).square().mean()
    turn_error = torch.deg2rad(angular_distance_deg(found.rotations, rotations)).square().mean()
    assert 0.5 < float(shift_error / expected[:, 3:].mean()) < 2.0
    assert 0.5 < float(turn_error / expected[:, :3].sum(1).mean()) < 2.0


def test_a_climb_never_lowers_the_likelihood(likelihood, truth):
    data = likelihood.load(np.arange(8))
    start = moved(*truth, torch.full((8, 5), math.radians(12)))
    before = evaluate(likelihood, data, *start).log_likelihood
    after = gauss_newton(likelihood, data, *start, n_steps=3, largest_turn_deg=8).log_likelihood
    assert bool((after >= before).all())


def test_a_trusted_step_ends_as_likely_as_one_that_is_looked_at(likelihood, particles):
    rows = np.arange(len(particles))
    data = likelihood.load(rows)
    rotations = torch.from_numpy(particles.poses.rotations).float()
    shifts = torch.from_numpy(particles.poses.shifts_angstrom).float()
    settings = {"n_steps": 5, "largest_turn_deg": 8}
    ends = [
        gauss_newton(likelihood, data, rotations, shifts, **settings, trusted_part=part)
        for part in (0.0, 0.015)
    ]
    looked_at = evaluate(likelihood, data, ends[1].rotations, ends[1].shifts_angstrom)
    gain = ends[0].log_likelihood - evaluate(likelihood, data, rotations, shifts).log_likelihood
    assert gain.mean() > 1.0
    # It is as likely as it was said to be, and next to nothing is left to climb.
    assert (looked_at.log_likelihood - ends[1].log_likelihood).abs().mean() < 0.1 * gain.mean()
    assert (ends[0].log_likelihood - looked_at.log_likelihood).mean() < 0.1 * gain.mean()
