"""Nulls keep all of the data but what is looked for, and a trial against them says what is true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_cryoorient as nc
from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.nulls.decoy_maps import decoy_map
from napari_cryoorient.alignment.nulls.given_poses import pose_agreement
from napari_cryoorient.alignment.nulls.null_images import null_particles, phase_randomised
from napari_cryoorient.alignment.nulls.trial import try_nulls
from napari_cryoorient.alignment.nulls.verdict import (
    Difference,
    NullVerdict,
    judged,
    verdict_of,
)
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet, Poses
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.stack.batches import outside_disc
from napari_cryoorient.stack.pairing import pair_inputs
from support.blob_maps import blobs

BOX, N = 32, 48


@pytest.fixture(scope="module")
def right_map() -> DensityMap:
    return blobs("C2", box=BOX)


@pytest.fixture(scope="module")
def particles(right_map: DensityMap) -> ParticleSet:
    return simulated(right_map, N)


def simulated(right_map: DensityMap, n: int) -> ParticleSet:
    return nc.simulate(right_map, n, snr=0.1, shift_sigma_angstrom=4.0, device="cpu", seed=1)


def noise_like(particles: ParticleSet) -> ParticleSet:
    images = np.random.default_rng(4).standard_normal((len(particles), BOX, BOX))
    source = ArrayImages(images.astype(np.float32), particles.pixel_size_angstrom)
    return replace(particles, images=source, poses=None)


def verdict(particles: ParticleSet, density: DensityMap, symmetry: str = "C2") -> NullVerdict:
    inputs = pair_inputs(replace(particles, poses=None), density)
    likelihood = ParticleLikelihood(inputs.density, inputs.particles, torch.device("cpu"))
    rows = np.arange(len(particles), dtype=np.int64)
    return verdict_of(try_nulls(inputs.density, likelihood, rows, symmetry_matrices(symmetry)))


def test_a_decoy_is_the_map_but_for_its_structure(right_map: DensityMap) -> None:
    group = symmetry_matrices("C2")
    decoy, other = (decoy_map(right_map, group, seed) for seed in (0, 1))
    first, second = (np.abs(np.fft.fftn(m.voxels)) ** 2 for m in (right_map, decoy))
    low = np.s_[1:5, 1:5, 1:5]
    assert second[low].sum() == pytest.approx(first[low].sum(), rel=0.5)
    # A half turn about z: y and x reversed, about voxel N / 2.
    turned = np.roll(decoy.voxels[:, ::-1, ::-1], (1, 1), (1, 2))
    inner = np.s_[4:-4, 4:-4, 4:-4]
    assert np.corrcoef(turned[inner].ravel(), decoy.voxels[inner].ravel())[0, 1] > 0.99
    likeness = np.corrcoef(right_map.voxels.ravel(), decoy.voxels.ravel())[0, 1]
    between = np.corrcoef(other.voxels.ravel(), decoy.voxels.ravel())[0, 1]
    # What they share is the mean over all directions, which all decoys have.
    assert abs(likeness - between) < 0.2
    assert likeness < 0.8


@pytest.mark.parametrize("kind", ["background", "phase-randomised"])
def test_null_images_have_the_noise_of_the_stack_and_nothing_else(
    particles: ParticleSet, right_map: DensityMap, kind: str
) -> None:
    rows = np.arange(N, dtype=np.int64)
    null = null_particles(particles, rows, 0, kind=kind)
    made, images = null.images.read(rows), particles.images.read(rows)
    assert made.std() == pytest.approx(images.std(), rel=0.15)
    clean = nc.project(right_map, particles)
    likeness = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(made, clean, strict=True)]
    assert abs(np.mean(likeness)) < 0.05


def test_the_right_map_explains_its_particles(
    particles: ParticleSet, right_map: DensityMap
) -> None:
    found = verdict(particles, right_map)
    assert found.outcome == "explained"
    assert not found.is_doubt
    assert found.maps.part == pytest.approx(1, abs=0.4)


def test_another_map_does_not(right_map: DensityMap) -> None:
    found = verdict(simulated(right_map, 2 * N), demo_density(BOX, 4.0), "C1")
    assert found.outcome == "another molecule"
    assert "do not show this map" in found.describe()


def test_noise_is_called_so(particles: ParticleSet, right_map: DensityMap) -> None:
    found = verdict(noise_like(particles), right_map)
    assert found.outcome == "pure noise"
    assert found.is_doubt
    assert not found.images.is_clear(0.05)


def difference(part: float, error: float, control_z: float = 20.0) -> Difference:
    return Difference(part, error, 1.0, 1 / control_z)


@pytest.mark.parametrize(
    ("images", "maps", "n", "outcome"),
    [
        (difference(1.0, 0.05), difference(0.9, 0.05), 64, "explained"),
        (difference(0.5, 0.05), difference(0.05, 0.05), 64, "another molecule"),
        (difference(0.1, 0.05), difference(0.05, 0.05), 64, "pure noise"),
        # Little of what a right map gives is nothing, however clear it is.
        (difference(0.04, 0.001), difference(0.1, 0.001), 9999, "pure noise"),
        (difference(0.1, 0.001), difference(0.1, 0.001), 9999, "another molecule"),
        (difference(0.1, 0.05, 2.0), difference(0.1, 0.1, 2.0), 64, "undecided"),
        (difference(0.9, 0.1), difference(0.3, 0.3, 3.0), 12, "undecided"),
        (difference(1.0, 0.05), difference(0.9, 0.05), 7, "undecided"),
    ],
)
def test_an_outcome_follows_from_the_differences(
    images: Difference, maps: Difference, n: int, outcome: str
) -> None:
    assert judged(images, maps, n) == outcome


def test_poses_of_the_map_are_told_from_shuffled_ones(
    particles: ParticleSet, right_map: DensityMap
) -> None:
    inputs = pair_inputs(particles, right_map)
    found = pose_agreement(inputs.particles, inputs.density)
    assert found is not None
    assert found.is_clear
    poses = particles.poses
    assert poses is not None
    shuffled = Poses(np.roll(poses.rotations, 7, axis=0), poses.shifts_angstrom)
    wrong = pose_agreement(replace(inputs.particles, poses=shuffled), inputs.density)
    assert wrong is not None
    assert not wrong.is_clear
    assert "no better" in wrong.describe()


def test_too_few_particles_tell_nothing_about_poses(
    particles: ParticleSet, right_map: DensityMap
) -> None:
    inputs = pair_inputs(particles[:7], right_map)
    assert pose_agreement(inputs.particles, inputs.density) is None


def test_the_control_is_as_strong_as_the_map_in_the_particles_not_as_their_surplus(
    right_map: DensityMap, particles: ParticleSet
) -> None:
    """Half of what the images hold beyond their corners is noise with the signal's spectrum."""
    rows = np.arange(N, dtype=np.int64)
    clean = nc.project(right_map, particles, ctf=particles.ctf, device="cpu")
    noise = phase_randomised(torch.from_numpy(clean), torch.Generator().manual_seed(8)).numpy()
    more = noise * ~outside_disc(BOX).numpy()
    more *= clean.std() / more.std()
    source = ArrayImages(
        (particles.images.read(rows) + more).astype(np.float32), particles.pixel_size_angstrom
    )
    likelihood, plain = (
        ParticleLikelihood(right_map, replace(each, poses=None), torch.device("cpu"))
        for each in (replace(particles, images=source), particles)
    )
    trial = try_nulls(right_map, likelihood, rows, symmetry_matrices("C2"), n_decoys=1)
    assert likelihood.statistics.snr > 1.6 * plain.statistics.snr
    assert trial.snr < 0.85 * likelihood.statistics.snr
