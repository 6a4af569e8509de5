"""The scale of particles against a map: pixel sizes that belong together, and such as do not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_cryoorient as nc
from napari_cryoorient.particles import Poses
from napari_cryoorient.simulation.demo_density import demo_density
from support.command_line import call, simulated
from support.pose_sets import rotations, turned

PIXEL = 4.0


@pytest.fixture(scope="module")
def density() -> nc.DensityMap:
    return demo_density(64, PIXEL)


@pytest.fixture(scope="module")
def particles(density: nc.DensityMap) -> nc.ParticleSet:
    made = nc.simulate(density, 600, snr=0.1, shift_sigma_angstrom=4.0, device="cpu", seed=1)
    assert made.poses is not None
    poses = turned(made.poses.rotations, 2.0, np.random.default_rng(0))
    return replace(made, poses=Poses(poses, made.poses.shifts_angstrom))


@pytest.mark.parametrize("factor", [1.0, 0.985, 1.012, 1.03])
def test_the_scale_is_found_within_a_fifth_of_a_percent(
    particles: nc.ParticleSet, density: nc.DensityMap, factor: float
) -> None:
    wrong = nc.DensityMap(density.voxels, PIXEL * factor)
    found = nc.pixel_size(particles, wrong, device="cpu")
    assert found.scale == pytest.approx(1 / factor, rel=0.002)
    assert found.fitting_pixel_size_angstrom == pytest.approx(PIXEL * factor, rel=0.002)
    assert found.is_off == (factor != 1.0)
    assert ("WARNING" in found.describe()) == (factor != 1.0)
    assert found.standard_error < 0.001


def test_a_sharper_map_has_the_same_scale(
    particles: nc.ParticleSet, density: nc.DensityMap
) -> None:
    axis = np.fft.fftfreq(64, PIXEL)
    squares = axis[:, None, None] ** 2 + axis[:, None] ** 2 + np.fft.rfftfreq(64, PIXEL) ** 2
    sharp = np.fft.irfftn(np.fft.rfftn(density.voxels) * np.exp(150 * squares), axes=(0, 1, 2))
    found = nc.pixel_size(particles, nc.DensityMap(sharp.astype(np.float32), PIXEL), device="cpu")
    assert found.scale == pytest.approx(1.0, abs=0.002)


def test_wrong_poses_show_no_scale(particles: nc.ParticleSet, density: nc.DensityMap) -> None:
    assert particles.poses is not None
    wrong = Poses(rotations(len(particles), 5), particles.poses.shifts_angstrom)
    with pytest.raises(nc.InputError, match="poses are wrong"):
        nc.pixel_size(replace(particles, poses=wrong), density, device="cpu")
    with pytest.raises(nc.InputError, match="no poses"):
        nc.pixel_size(replace(particles, poses=None), density, device="cpu")


def test_command_says_what_fits_and_that_the_hand_stays_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = simulated(tmp_path, "--n", 200, "--snr", 0.5)
    capsys.readouterr()
    words = "pixel-size", folder / "particles.star", "--map", folder / "map.mrc"
    status, out, _ = call(capsys, *words, "--device", "cpu", "--json")
    assert status == 0
    assert "belong together" in out
    assert "hand cannot be determined" in out
    assert json.loads(out.splitlines()[-1])["scale"] == pytest.approx(1.0, abs=0.005)
