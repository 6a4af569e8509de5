"""RELION takes the poses written here: relion_reconstruct and relion_refine finish, and agree."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.cli import main
from napari_cryoorient.geometry.rotations import angular_distance_deg
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.star import read_particles, read_star, write_star
from napari_cryoorient.io.star_text import StarFile
from napari_cryoorient.maps.fsc import fourier_shell_correlation
from support.command_line import simulated, without_poses

pytestmark = pytest.mark.relion

N, PIXEL = 100, 8.0


def call(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


def as_relion_3_0(star: StarFile) -> StarFile:
    """One block, the microscope in every row, the pixel size as detector and magnification."""
    block, optics = star.block("particles"), star.block("optics").table
    columns = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
    repeated = {name: optics[name][0] for name in columns}
    repeated |= {"rlnDetectorPixelSize": f"{PIXEL:.6f}", "rlnMagnification": "10000.000000"}
    table = block.table.drop(columns=["rlnOpticsGroup"]).assign(**repeated)
    return replace(star, blocks=(replace(block, name="", table=table),), version=None)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Particles without poses, as RELION 3.1 and as 3.0 writes them."""
    folder = tmp_path_factory.mktemp("relion")
    simulated(folder, "--n", N, "--snr", 1, "--shift-sigma", 4)
    bare = without_poses(read_star(folder / "particles.star"))
    write_star(bare, folder / "bare31.star")
    write_star(as_relion_3_0(bare), folder / "bare30.star")
    return folder


@pytest.fixture(scope="module", params=["3.1-predicted", "3.0-searched"])
def poses(stack: Path, request: pytest.FixtureRequest) -> Path:
    """A STAR file with poses of ours, in RELION's project folder."""
    density = ["--map", stack / "map.mrc", "--device", "cpu"]
    if request.param == "3.0-searched":
        out = stack / "searched.star"
        call("search", stack / "bare30.star", *density, "-o", out)
        return out
    run, out = stack / "run", stack / "predicted.star"
    few = ["--labels", "simulated", "--steps", 3, "--batch-size", 8]
    call("train", stack / "bare31.star", *density, "-o", run, *few)
    call("predict", stack / "bare31.star", "--run", run, "--refine", "-o", out)
    return out


def relion(folder: Path, *words: object) -> None:
    done = subprocess.run([str(w) for w in words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_the_file_is_of_the_flavour_that_came_in(poses: Path):
    star = read_star(poses)
    is_3_1 = star.block("optics") is not None
    assert is_3_1 == (poses.name == "predicted.star")
    columns = next(b.table for b in star.blocks if "rlnImageName" in b.table).columns
    assert ("rlnOriginXAngst" in columns) == is_3_1
    assert ("rlnOriginX" in columns) != is_3_1


def test_relion_reconstruct_takes_it(poses: Path, stack: Path, tmp_path: Path):
    theirs, ours = tmp_path / "theirs.mrc", tmp_path / "ours.mrc"
    relion(stack, "relion_reconstruct", "--i", poses.name, "--o", theirs, "--ctf")
    call("reconstruct", poses, "-o", ours)
    a, b = read_map(ours), read_map(theirs)
    assert a.pixel_size_angstrom == pytest.approx(b.pixel_size_angstrom, rel=1e-4)
    low = slice(1, 9)  # with 100 noisy particles: down to 32 A
    assert fourier_shell_correlation(a.voxels, b.voxels, PIXEL).values[low].min() > 0.95
    truth = read_map(stack / "map.mrc")
    assert fourier_shell_correlation(b.voxels, truth.voxels, PIXEL).values[low].min() > 0.8


@pytest.mark.skipif(shutil.which("relion_refine") is None, reason="no relion_refine here")
def test_relion_refine_stays_near_our_poses(poses: Path, stack: Path, tmp_path: Path):
    flags = ["--i", poses.name, "--o", tmp_path / "run", "--ref", "map.mrc", "--ini_high", 20]
    # Without --ctf_corrected_ref it would leave the CTF aside in its first iteration.
    flags += ["--iter", 2, "--ctf", "--ctf_corrected_ref", "--particle_diameter", 220, "--K", 1]
    flags += ["--healpix_order", 4, "--sigma_ang", 4, "--offset_range", 2, "--offset_step", 1]
    flags += ["--oversampling", 1, "--tau2_fudge", 4, "--dont_check_norm", "--pad", 2]
    relion(stack, "relion_refine", *flags, "--zero_mask", "--j", 1)
    refined = tmp_path / "run_it002_data.star"
    after, _ = read_particles(refined, project_dir=stack)
    before, _ = read_particles(poses, project_dir=stack)
    true, _ = read_particles(stack / "particles.star", project_dir=stack)
    assert [name.split("@")[0] for name in after.names] == [
        name.split("@")[0] for name in before.names
    ]
    rotations = [torch.tensor(each.poses.rotations) for each in (after, before, true)]
    moved = angular_distance_deg(rotations[0], rotations[1]).numpy()
    # RELION's steps are 1.8 degrees here, and it may go 12 degrees away.
    assert np.median(moved) < 3
    assert np.median(angular_distance_deg(rotations[0], rotations[2]).numpy()) < 4
    shifts = after.poses.shifts_angstrom - before.poses.shifts_angstrom
    assert np.median(np.hypot(*shifts.T)) < PIXEL
    theirs = read_map(tmp_path / "run_it002_class001.mrc").voxels
    call("reconstruct", poses, "-o", tmp_path / "ours.mrc")
    curve = fourier_shell_correlation(theirs, read_map(tmp_path / "ours.mrc").voxels, PIXEL)
    assert curve.values[1:9].min() > 0.85
