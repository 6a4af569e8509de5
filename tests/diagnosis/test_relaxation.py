"""Pseudo-symmetry: D4 without one subunit, particles at equivalent poses drawn at random."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_cryoorient as nc
from napari_cryoorient.diagnosis.relaxation import symmetric_outside
from napari_cryoorient.geometry.rotations import angular_distance_deg
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.star import read_star
from napari_cryoorient.particles import Floats, Poses
from support.blob_maps import blobs
from support.command_line import call
from support.pose_sets import turned

N = 200


@pytest.fixture(scope="module")
def density() -> nc.DensityMap:
    return blobs("D4", n_missing=1)


def spoilt(density: nc.DensityMap, snr: float) -> tuple[nc.ParticleSet, Floats]:
    """Return particles at random equivalents of their poses, a degree off, and the true ones."""
    made = nc.simulate(density, N, snr=snr, shift_sigma_angstrom=4.0, device="cpu", seed=1)
    assert made.poses is not None
    rng = np.random.default_rng(0)
    group = symmetry_matrices("D4").numpy()
    elements = np.swapaxes(group[rng.integers(len(group), size=N)], 1, 2)
    poses = turned(made.poses.rotations, 1.0, rng) @ elements
    moved = replace(made, poses=Poses(poses, made.poses.shifts_angstrom))
    return moved, made.poses.rotations


def errors_deg(found: nc.PoseEstimates, true: Floats) -> Floats:
    apart = angular_distance_deg(torch.from_numpy(found.rotations), torch.from_numpy(true))
    return np.asarray(apart.numpy())


def test_the_register_is_found_and_its_probability_is_true(density: nc.DensityMap) -> None:
    # At some noise not all can be told: the probability then says how many.
    shares = {}
    for snr in (0.3, 0.02):
        particles, true = spoilt(density, snr)
        found = nc.relax(particles, density, symmetry="D4", device="cpu")
        assert found.confidence is not None
        shares[snr] = float(np.mean(errors_deg(found, true) < 15))
        assert found.confidence.mean() == pytest.approx(shares[snr], abs=0.07)
    assert shares[0.3] > 0.97
    assert shares[0.02] > 0.5


def test_a_map_of_true_symmetry_tells_nothing(density: nc.DensityMap) -> None:
    particles, _ = spoilt(density, 0.3)
    found = nc.relax(particles, blobs("D4"), symmetry="D4", device="cpu")
    assert found.confidence is not None
    assert found.confidence.mean() < 2 / 8
    assert found.probabilities.shape == (N, 8)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(found[5:9].probabilities, found.probabilities[5:9])
    assert found[3].image.shape == (40, 40)
    with pytest.raises(nc.InputError, match="no equivalent poses"):
        nc.relax(particles, density, symmetry="C1", device="cpu")


def test_outside_the_mask_the_map_is_symmetric(density: nc.DensityMap) -> None:
    group, shape = symmetry_matrices("D4"), density.voxels.shape
    nothing = symmetric_outside(density, group, np.zeros(shape))
    assert np.corrcoef(nothing.voxels.ravel(), blobs("D4").voxels.ravel())[0, 1] > 0.99
    everything = symmetric_outside(density, group, np.ones(shape))
    np.testing.assert_allclose(everything.voxels, density.voxels, atol=1e-5)
    # A mask on what is missing keeps what tells equivalents apart; one beside it takes it away.
    gap = blobs("D4").voxels - density.voxels > 0.05
    particles, true = spoilt(density, 0.3)
    shares = []
    for values in (gap, np.roll(gap, len(gap) // 2, axis=0)):
        mask = nc.DensityMap(values.astype(np.float32), density.pixel_size_angstrom)
        found = nc.relax(particles, density, symmetry="D4", mask=mask, device="cpu")
        shares.append(float(np.mean(errors_deg(found, true) < 15)))
    assert shares[0] > 0.9
    assert shares[1] < 0.5
    for wrong, why in ((np.ones((8, 8, 8)), "8 voxels a side"), (np.full(shape, 2), "from 0 to 1")):
        mask = nc.DensityMap(wrong.astype(np.float32), density.pixel_size_angstrom)
        with pytest.raises(nc.InputError, match=why):
            nc.relax(particles, density, symmetry="D4", mask=mask, device="cpu")


def test_images_that_tell_nothing_keep_their_poses(density: nc.DensityMap) -> None:
    particles, _ = spoilt(density, 0.3)
    images = particles.images.read(np.arange(N))
    images[5] = 0
    blank = nc.ArrayImages(images, particles.pixel_size_angstrom)
    found = nc.relax(replace(particles, images=blank), density, symmetry="D4", device="cpu")
    assert particles.poses is not None
    np.testing.assert_array_equal(found.rotations[5], particles.poses.rotations[5])
    np.testing.assert_allclose(found.probabilities[5], 1 / 8)


def test_command_writes_poses_and_probabilities(
    density: nc.DensityMap, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    particles, true = spoilt(density, 0.3)
    star = nc.write_particles(tmp_path / "in", particles)
    nc.write_map(tmp_path / "map.mrc", density)
    status, out, _ = call(
        capsys,
        *("relax", star, "--map", tmp_path / "map.mrc", "--symmetry", "D4"),
        *("-o", tmp_path / "out.star", "--table", tmp_path / "all.star"),
        *("--device", "cpu", "--json"),
    )
    assert status == 0
    said = json.loads(out.splitlines()[-1])
    assert said["moved"] > N / 2
    assert sum(said["particles_by_equivalent"]) == N
    rows = read_star(tmp_path / "all.star").blocks[0].table
    all_of_them = rows[[f"cryoorientProbabilityEquivalent{i + 1}" for i in range(8)]].astype(float)
    stated = read_star(tmp_path / "out.star").blocks[-1].table["rlnParticleFigureOfMerit"]
    np.testing.assert_allclose(all_of_them.max(axis=1), stated.astype(float), atol=1e-5)
    again = tmp_path / "in" / "relaxed.star"
    again.write_text((tmp_path / "out.star").read_text())
    written = nc.read_particles(again)
    assert np.mean(errors_deg(nc.PoseEstimates(written), true) < 15) > 0.97
