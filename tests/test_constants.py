"""A constant added to a map or to images, or another scale of the map, changes no result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.refine.local import LocalRefinement
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.evaluation import reprojection_rmse
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.maps.backproject import back_project
from napari_cryoorient.maps.fsc import masked_correlation, sphere_mask
from napari_cryoorient.maps.solve import solve_map
from napari_cryoorient.maps.stored_sums import AddedUp
from napari_cryoorient.maps.symmetry import detect_symmetry
from napari_cryoorient.particles import ArrayImages, DensityMap, Images, ParticleSet, Poses
from napari_cryoorient.projection.reference import reference_volume
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    Microscope,
    SimulationSettings,
    draw_simulation,
    projector_of,
    simulated_images,
)
from napari_cryoorient.stack.pairing import in_free_scale, matched_map, measure_contrast
from napari_cryoorient.stack.statistics import stack_statistics

BOX, PIXEL, N = 32, 8.0, 24
CPU = torch.device("cpu")
# What float32 keeps of a constant of 100 standard deviations is some 1e-5 of one.
deviations = st.floats(-100.0, 100.0)
few = settings(max_examples=6, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def density() -> DensityMap:
    return demo_density(BOX, PIXEL)


@pytest.fixture(scope="module")
def particles(density: DensityMap) -> ParticleSet:
    wanted = SimulationSettings(
        n=N, snr=1.0, microscope=Microscope(), shift_sigma_angstrom=6.0, seed=4
    )
    simulation = draw_simulation(density, wanted)
    images = np.concatenate(list(simulated_images(simulation)))
    zeros = np.zeros(N, dtype=np.int64)
    return ParticleSet(ArrayImages(images, PIXEL), simulation.poses, simulation.ctf, zeros)


def with_constant(particles: ParticleSet, constants: float | Images) -> ParticleSet:
    images = particles.images.read(np.arange(len(particles)))
    moved = images + np.asarray(constants * images.std(), dtype=np.float32)
    return replace(particles, images=ArrayImages(moved, PIXEL))


def map_with(density: DensityMap, constant: float, scale: float = 1.0) -> DensityMap:
    moved = (density.voxels + constant * density.voxels.std()).astype(np.float32)
    return replace(density, voxels=(moved * scale).astype(np.float32))


def likelihood(density: DensityMap, particles: ParticleSet) -> ParticleLikelihood:
    return ParticleLikelihood(in_free_scale(matched_map(density, particles)), particles, CPU)


def poses_of(density: DensityMap, particles: ParticleSet, rows: np.ndarray) -> Poses:
    """Poses by search for the first particles and by refinement for the others."""
    compared = likelihood(density, particles)
    group = symmetry_matrices("C1")
    half = len(rows) // 2
    found = [p.poses for p in GlobalSearch(compared, group).search(rows[:half])]
    start = Poses(particles.poses.rotations, particles.poses.shifts_angstrom + 3.0)
    found += [p.poses for p in LocalRefinement(compared).refine(rows[half:], start[rows[half:]])]
    return Poses(
        np.concatenate([p.rotations for p in found]),
        np.concatenate([p.shifts_angstrom for p in found]),
    )


def assert_same(found: Poses, wanted: Poses) -> None:
    turns = np.einsum("nij,nkj->nik", found.rotations, wanted.rotations)
    angles = np.degrees(np.arccos(np.clip((np.trace(turns, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert angles.max() < 0.2
    assert np.abs(found.shifts_angstrom - wanted.shifts_angstrom).max() < 0.1


@pytest.fixture(scope="module")
def wanted_poses(density: DensityMap, particles: ParticleSet) -> Poses:
    return poses_of(density, particles, np.arange(8))


@settings(max_examples=4, deadline=None, derandomize=True)
@given(
    in_map=deviations, in_images=deviations, exponent=st.sampled_from([-20.0, -6.0, 0.0, 9.0, 20.0])
)
def test_search_and_refinement_do_not_mind(
    density, particles, wanted_poses, in_map, in_images, exponent
):
    moved = with_constant(particles, in_images)
    map_moved = map_with(density, in_map, 10.0**exponent)
    assert_same(poses_of(map_moved, moved, np.arange(8)), wanted_poses)


@few
@given(in_map=deviations, in_images=deviations)
def test_statistics_of_a_stack_do_not_mind(density, particles, in_map, in_images):
    plain = stack_statistics(density, particles, BOX)
    moved = stack_statistics(map_with(density, in_map), with_constant(particles, in_images), BOX)
    assert moved.gain == pytest.approx(plain.gain, rel=1e-3)
    torch.testing.assert_close(moved.noise_power[1:], plain.noise_power[1:], rtol=1e-3, atol=0)
    torch.testing.assert_close(moved.signal_power, plain.signal_power, rtol=1e-2, atol=1e-3)
    contrasts = [
        measure_contrast(map_with(density, in_map, 1e-20), with_constant(particles, in_images)),
        measure_contrast(density, particles),
    ]
    assert contrasts[0].correlation == pytest.approx(contrasts[1].correlation, abs=1e-3)


@few
@given(seed=st.integers(0, 10), size=st.sampled_from([1.0, 30.0, 100.0]))
def test_reconstruction_does_not_mind(particles, seed, size):
    each = size * np.random.default_rng(seed).normal(size=(N, 1, 1))
    maps = []
    for stack in (particles, with_constant(particles, each)):
        done = back_project(stack, symmetry_matrices("C1"), CPU, rows_of_sets=(np.arange(N),))
        maps.append(solve_map(AddedUp(done.sums), done.factors).numpy())
    assert np.abs(maps[1] - maps[0]).max() < 1e-3 * maps[0].std()


@few
@given(in_first=deviations, in_second=deviations)
def test_masked_correlation_does_not_mind(density, in_first, in_second):
    rng = np.random.default_rng(0)
    noise = density.voxels.std() * rng.standard_normal((2, BOX, BOX, BOX))
    maps = [(density.voxels + each).astype(np.float32) for each in noise]
    mask = sphere_mask(BOX, PIXEL, 60.0, 30.0)
    plain = masked_correlation(maps[0], maps[1], PIXEL, mask)
    moved = [
        each + np.float32(c * density.voxels.std())
        for each, c in zip(maps, (in_first, in_second), strict=True)
    ]
    found = masked_correlation(moved[0], moved[1], PIXEL, mask)
    np.testing.assert_allclose(found.values, plain.values, atol=1e-3)
    np.testing.assert_allclose(found.corrected, plain.corrected, atol=1e-3)


@few
@given(constant=deviations)
def test_projections_and_their_errors_do_not_mind(density, particles, constant):
    moved = map_with(density, constant)
    plain, other = projector_of(density), projector_of(moved)
    rotations = torch.from_numpy(particles.poses.rotations[:3]).float()
    scale = float(plain(rotations).std())
    torch.testing.assert_close(other(rotations), plain(rotations), atol=2e-3 * scale, rtol=0)
    turned = particles.poses[np.arange(N)[::-1]]
    errors = [reprojection_rmse(p, turned, particles.poses).relative_rmse for p in (plain, other)]
    assert errors[1] == pytest.approx(errors[0], rel=1e-3)


@pytest.mark.parametrize(("constant", "scale"), [(30.0, 1.0), (0.0, 1e-20), (0.0, 1e20)])
def test_symmetry_does_not_mind(constant: float, scale: float):
    found = detect_symmetry(map_with(demo_density(BOX, PIXEL, symmetry="C4"), constant, scale))
    assert found.name == "C4"


def test_what_surrounds_a_reference_is_zero(density: DensityMap):
    volume = reference_volume(map_with(density, 5.0), 24)
    assert volume.shape == (24, 24, 24)
    assert volume[0].abs().max() < 0.05 * volume.max()
