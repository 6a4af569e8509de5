"""Refinement of whole stacks: into its basin, out of wrong starts, and what it says of both."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_cryoorient as nc
from napari_cryoorient.alignment.likelihood import ParticleLikelihood, measured_statistics
from napari_cryoorient.alignment.refine import local
from napari_cryoorient.alignment.refine.bands import bands_up_to
from napari_cryoorient.alignment.refine.gauss_newton import evaluate
from napari_cryoorient.alignment.refine.hypotheses import climb
from napari_cryoorient.alignment.refine.local import BASIN_DEG, LocalRefinement, RefinedPoses
from napari_cryoorient.evaluation import pose_errors
from napari_cryoorient.geometry.rotations import rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import Poses
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.stack.pairing import pair_inputs
from support.blob_maps import blobs

C1 = symmetry_matrices("C1")


def off_by(poses: Poses, angle_deg: float, shift_angstrom: float) -> Poses:
    generator = torch.Generator().manual_seed(5)
    axes = torch.randn(len(poses), 3, generator=generator, dtype=torch.float64)
    turns = rotation_vector_to_matrix(
        axes / axes.norm(dim=1, keepdim=True) * math.radians(angle_deg)
    )
    shifts = poses.shifts_angstrom + np.array([shift_angstrom, -shift_angstrom])
    return Poses((turns @ torch.from_numpy(poses.rotations)).numpy(), shifts)


def refined(likelihood, poses) -> RefinedPoses:
    rows = np.arange(len(poses))
    return RefinedPoses.joined(list(LocalRefinement(likelihood).refine(rows, poses)))


@pytest.mark.parametrize("angle_deg", [6.0, 30.0], ids=["in the basin", "beyond it"])
def test_poses_that_are_off_end_where_the_true_ones_do(likelihood, particles, angle_deg):
    limit = pose_errors(refined(likelihood, particles.poses).poses, particles.poses, C1)
    start = off_by(particles.poses, angle_deg, 4.0)
    found = refined(likelihood, start)
    errors = pose_errors(found.poses, particles.poses, C1)
    assert errors.median_deg < 1.1 * limit.median_deg + 0.05
    assert errors.fraction_under_10_deg >= 0.97
    assert errors.shift_rms_angstrom < 1.4 * limit.shift_rms_angstrom
    assert found.n_beyond_basin == (0 if angle_deg < BASIN_DEG else pytest.approx(40, abs=2))


def test_images_of_another_particle_hold_less_of_the_projection_and_are_doubtful(
    likelihood, particles
):
    data = likelihood.load(np.arange(20))
    shuffled = type(data)(data.cross.roll(1, 0), data.power, data.energy)
    noise = type(data)(
        torch.view_as_complex(torch.randn(20, data.cross.shape[1], 2)) * (data.power / 2).sqrt(),
        data.power,
        data.energy,
    )
    refinement = LocalRefinement(likelihood)
    rows, poses = np.arange(20), particles.poses[np.arange(20)]
    right = refinement.of_images(rows, data, poses)
    assert not right.is_doubtful.any()
    assert right.strengths.strength.mean() == pytest.approx(1.0, abs=0.05)
    for wrong in (shuffled, noise):
        assert (
            refinement.of_images(rows, wrong, poses).correlation.mean() < right.correlation.mean()
        )
    of_noise = refinement.of_images(rows, noise, poses)
    assert of_noise.is_doubtful.mean() > 0.8
    assert of_noise.strengths.strength.mean() < 0.7


def test_the_strength_of_right_poses_is_learned_where_the_stacks_is_off(density, particles):
    """The gain that surplus power tells is off by a third where the noise is not quite known."""
    statistics = measured_statistics(density, particles, 13.0)
    off = replace(
        statistics, gain=1.3 * statistics.gain, signal_power=1.69 * statistics.signal_power
    )
    likelihood = ParticleLikelihood(
        density, particles, torch.device("cpu"), radius=13.0, statistics=off
    )
    rows, refinement = np.arange(len(particles)), LocalRefinement(likelihood)
    before = RefinedPoses.joined(list(refinement.refine(rows, particles.poses)))
    assert before.strengths.strength.mean() < 0.85
    refinement.learn_amplitudes(rows, particles.poses)
    after = RefinedPoses.joined(list(refinement.refine(rows, particles.poses)))
    assert after.strengths.strength.mean() == pytest.approx(1.0, abs=0.05)
    assert likelihood.strength == 1.0  # whose refinement has its own
    # A narrower spread would hide that images at wrong poses are weak: they would not be restarted.
    assert refinement.amplitudes[1] == likelihood.amplitude_sigma


def test_chunks_and_stop(likelihood, particles, monkeypatch):
    whole = refined(likelihood, particles.poses)
    monkeypatch.setattr("napari_cryoorient.alignment.refine.local.CPU_CHUNK", 7)
    parts = refined(likelihood, particles.poses)
    np.testing.assert_allclose(parts.poses.rotations, whole.poses.rotations, atol=2e-3)
    seen: list[tuple[int, int]] = []
    rows = np.arange(40)
    stopped = LocalRefinement(likelihood).refine(
        rows,
        particles.poses,
        reporter=Reporter(should_stop=lambda: len(seen) == 2).watched(
            lambda done, total: seen.append((done, total))
        ),
    )
    assert sum(len(part.rows) for part in stopped) == 14
    assert seen == [(7, 40), (14, 40)]


def test_no_pose_ends_at_less_than_a_plain_climb_from_its_start(likelihood, particles):
    """Some starts are right, some are near wrong tops, some anywhere."""
    rows = np.arange(len(particles))
    data = likelihood.load(rows)
    for start in (particles.poses, off_by(particles.poses, 12.0, 4.0)):
        rotations = torch.from_numpy(start.rotations).float()
        shifts = torch.from_numpy(start.shifts_angstrom).float()
        plain = climb(
            likelihood, data, torch.from_numpy(rows), rotations, shifts,
            radius=likelihood.radius, n_steps=6, largest_turn_deg=8.0,
        )  # fmt: skip
        before = evaluate(likelihood, data, rotations, shifts)
        ends = refined(likelihood, start).log_likelihood
        assert (ends >= plain.log_likelihood.numpy() - 1e-3).all()
        assert (ends >= before.log_likelihood.numpy() - 1e-3).all()


def test_a_start_is_kept_where_nothing_is_likelier(likelihood, particles):
    once = refined(likelihood, particles.poses)
    twice = refined(likelihood, once.poses)
    stayed = twice.moved_deg < 0.2
    assert stayed.mean() > 0.9
    assert (twice.log_likelihood >= once.log_likelihood - 1e-2).all()


def test_bands_reach_the_whole_one_step_by_step():
    for radius, fill in ((5.0, 0.8), (31.0, 0.8), (127.0, 0.5)):
        radii = [band.radius for band in bands_up_to(radius, fill)]
        assert radii[-1] == radius
        assert all(later <= 2.5 * earlier for earlier, later in itertools.pairwise(radii))
        assert radii == sorted(radii)


def test_a_pose_that_ends_at_an_equal_one_has_not_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """New starts lie 36 degrees around: within reach of the copies of a seven-fold map."""
    monkeypatch.setattr(local, "is_weak", lambda at: torch.ones(len(at), dtype=torch.bool))
    group = symmetry_matrices("C7")
    density = blobs("C7", box=32)
    particles = nc.simulate(density, 16, snr=0.3, device="cpu", seed=2)
    inputs = pair_inputs(particles, density)
    likelihood = ParticleLikelihood(inputs.density, inputs.particles, torch.device("cpu"))
    rows = np.arange(16)
    assert particles.poses is not None
    found, blind = (
        RefinedPoses.joined(list(LocalRefinement(likelihood, each).refine(rows, particles.poses)))
        for each in (group, None)
    )
    assert found.was_restarted.all()
    assert (blind.moved_deg > 40).any()
    assert found.moved_deg.max() < 10
