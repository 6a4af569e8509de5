"""Whether an image shows the particle: against noise, another molecule, and the formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.presence import (
    SLOPE,
    STRENGTHS,
    Presence,
    _evidence,
    learned_share,
    mean_and_power,
    widest_prior,
)
from napari_cryoorient.alignment.refine.gauss_newton import evaluate
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet
from support.simulated_stack import BOX, PIXEL, N, particles_of, simulation_of

C1 = torch.eye(3, dtype=torch.float64)[None]


@pytest.fixture(scope="module")
def mixed(density, particles) -> FoundPoses:
    """Search a stack of the particle, another one of equal power, and noise, a third each."""
    random = np.random.default_rng(3)
    values = np.fft.rfftn(density.voxels)
    phases = np.fft.rfftn(random.normal(size=density.voxels.shape))
    blurred = np.fft.irfftn(
        np.abs(values) * np.exp(1j * np.angle(phases)), s=density.voxels.shape, axes=(0, 1, 2)
    )
    axis = np.arange(BOX) - BOX // 2
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    blurred *= radius < 0.4 * BOX  # as compact as a particle
    blurred *= np.linalg.norm(density.voxels) / np.linalg.norm(blurred)
    other = DensityMap(blurred.astype(np.float32), PIXEL)
    own, others = (simulation_of(each, 0.1) for each in (density, other))
    shown = particles_of(own).images.read(np.arange(N))
    images = np.concatenate([shown, particles_of(others).images.read(np.arange(N))])
    noise = random.normal(scale=images.std(), size=(N, BOX, BOX)).astype(np.float32)
    assert own.ctf is not None
    stack = ParticleSet(
        ArrayImages(np.concatenate([images, noise]), PIXEL),
        None,
        own.ctf[np.tile(np.arange(N), 3)],
        np.zeros(3 * N, dtype=np.int64),
    )
    likelihood = ParticleLikelihood(density, stack, torch.device("cpu"), radius=13.0)
    search = GlobalSearch(likelihood, C1, is_thorough=False)
    return FoundPoses.joined(list(search.search(np.arange(3 * N))))


def test_particles_are_there_and_others_are_not(mixed):
    own, other, noise = np.split(mixed.presence_log_odds, 3)
    assert np.mean(own > 3) > 0.9
    assert np.median(own) > np.median(other) + 8
    assert np.mean(other > 3) < 0.25
    assert np.mean(noise < np.quantile(own, 0.05)) == 1
    assert np.split(mixed.confidence, 3)[1].max() < np.median(mixed.confidence[:N])


def test_confidence_is_of_the_pose_and_of_the_particle(mixed):
    there = 1 / (1 + np.exp(-mixed.presence_log_odds))
    np.testing.assert_allclose(mixed.confidence, there * mixed.pose_probability, rtol=1e-5)


def test_other_objects_weigh_what_gaussian_transforms_of_their_power_would(likelihood):
    data = likelihood.load(np.arange(4))
    shifts = torch.tensor([[0.0, 0.0], [5.0, -3.0], [0.0, 8.0], [-4.0, -4.0]])
    mean, power = mean_and_power(likelihood)
    # X = c V + noise: complex Gaussian around c M, so that each part has half the variance.
    noise = 1 / likelihood._inverse_noise
    transfer_squared = data.power * noise
    transfer = transfer_squared.sqrt()
    image = data.cross * noise / transfer  # X, but for the sign of the CTF
    centre = transfer * mean * likelihood.ramps(shifts, len(mean))
    by_model = []
    for strength in STRENGTHS:
        for around, varied in ((0 * centre, power), (centre, power - mean.square())):
            variance = noise + transfer_squared * strength**2 * varied.clamp_min(0)
            log_densities = [
                torch.distributions.Normal(0.0, (each / 2).sqrt()[..., None]).log_prob(
                    torch.view_as_real(image - where)
                )
                for where, each in ((strength * around, variance), (0, noise.expand_as(variance)))
            ]
            by_model.append((log_densities[0] - log_densities[1]).sum((1, 2)))
    expected = torch.stack(by_model).logsumexp(0) - math.log(len(by_model))
    found = Presence(likelihood, 1).of_others(data, shifts)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0.05)


def test_the_mean_of_all_views_is_a_part_of_their_power(likelihood):
    mean, power = mean_and_power(likelihood)
    assert bool((mean.square() <= 1.001 * power).all())
    assert float(mean[0].square()) > 0.3 * float(power[0])  # what a compact object is at first


@pytest.mark.parametrize("n_frequencies", [0, 3, 9])
def test_no_images_have_no_evidence(n_frequencies):
    none = torch.zeros(0, n_frequencies)
    assert _evidence(none, none, 1.0).shape == (0,)


def test_evidence_is_the_sum_over_poses(likelihood, particles):
    """One peak of a Gaussian posterior weighs its height times its volume; two weigh twice that."""
    data = likelihood.load(np.array([0]))
    true = torch.from_numpy(particles.poses.rotations[:1]).float()
    shift = torch.from_numpy(particles.poses.shifts_angstrom[:1]).float()
    at = evaluate(likelihood, data, true, shift)
    presence, prior = Presence(likelihood, 1), widest_prior(likelihood)
    once = presence.masses(at, prior)
    alone = presence.log_odds(data, at, prior)
    twice = presence.log_odds(data, type(at).joined([at, at]), prior, torch.zeros(2).long())
    assert float(twice - alone) == pytest.approx(SLOPE * math.log(2), abs=1e-4)
    volume = (2 * math.pi) ** 2.5 / float(torch.linalg.det(at.curvature[0].double())) ** 0.5
    density = float(prior.log_probability(at.shifts_angstrom)) - math.log(8 * math.pi**2)
    amplitude = -0.5 * math.log(1 + float(at.information) / likelihood.amplitude_stiffness)
    expected = float(at.log_likelihood) + math.log(volume) + density + amplitude
    assert float(once) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("part", [0.2, 0.8, 1.0])
def test_how_many_images_show_the_particle_is_learned_from_their_odds(part):
    random = np.random.default_rng(5)
    there = random.random(400) < part
    # Gaussians whose log odds at even prior are what they say.
    odds = random.normal(np.where(there, 2.0, -2.0), 2.0)
    assert abs(learned_share(odds) - there.mean()) < 0.05
    # Where another share was taken to begin with, the end is the same.
    assert abs(learned_share(odds + math.log(3), 0.75) - learned_share(odds)) < 0.01
