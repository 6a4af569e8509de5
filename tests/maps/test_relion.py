"""Maps and curves beside those of RELION's own programs, from the same files."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.cli import main
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.io.star import read_star, write_star
from napari_cryoorient.maps.fsc import fourier_shell_correlation, sphere_mask
from napari_cryoorient.maps.solve import within_sphere
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.simulation.simulate import write_projections
from support.command_line import simulated

pytestmark = pytest.mark.relion


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    flags = ["--n", 300, "--snr", 1, "--shift-sigma", 4]
    return simulated(tmp_path_factory.mktemp("stack"), *flags)


def relion(folder: Path, *words: object) -> None:
    done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.parametrize("symmetry", ["C1", "D2", "C3"])
def test_relion_reconstruct_gives_the_same_map(stack: Path, tmp_path: Path, symmetry: str):
    ours, theirs = tmp_path / "ours.mrc", tmp_path / "theirs.mrc"
    star = stack / "particles.star"
    assert main(["reconstruct", str(star), "-o", str(ours), "--symmetry", symmetry]) == 0
    flags = ["--i", star.name, "--o", theirs, "--ctf", "--sym", symmetry]
    relion(stack, "relion_reconstruct", *flags)
    a, b = read_map(ours), read_map(theirs)
    # RELION leaves the noise in the corners of the box, where not every image looks.
    inner = within_sphere(torch.tensor(b.voxels)).numpy()
    curve = fourier_shell_correlation(a.voxels, inner, a.pixel_size_angstrom)
    assert curve.values[1 : int(0.8 * a.box / 2) + 1].min() > 0.98


FAULTS = {
    "magnification": {
        "rlnMagMat00": "1.2",
        "rlnMagMat01": "0.1",
        "rlnMagMat10": "0.05",
        "rlnMagMat11": "0.85",
    },
    "beam tilt": {"rlnBeamTiltX": "600", "rlnBeamTiltY": "-400"},
    "odd aberrations": {"rlnOddZernike": "[20,-15,3000,1500,-2000,2500]"},
    "even aberrations": {"rlnEvenZernike": "[0.2,150,0.5,-200,9000,0,0,-9000,0]"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_relion_takes_the_same_aberrations_off(stack: Path, tmp_path: Path, fault: str):
    """Images are made as the lenses would; RELION's map and ours are as good as without faults."""
    star = read_star(stack / "particles.star")
    optics = star.block("optics")
    assert optics is not None
    faulty = star.with_block(replace(optics, table=optics.table.assign(**FAULTS[fault])))
    path = tmp_path / "particles.star"
    write_star(faulty, path)
    truth = read_map(stack / "map.mrc")
    poses = read_pose_table(path)
    assert poses.poses is not None
    write_projections(
        truth, poses.poses, poses.ctf, tmp_path / "particles.mrcs", lenses=poses.lenses
    )
    assert main(["reconstruct", str(path), "-o", str(tmp_path / "ours.mrc")]) == 0
    curves = {}
    for name in ("told", "untold"):
        table = path.name if name == "told" else "untold.star"
        write_star(star, tmp_path / "untold.star")
        flags = ["--i", table, "--o", f"{name}.mrc", "--ctf"]
        relion(tmp_path, "relion_reconstruct", *flags)
        curves[name] = curve_to(truth, read_map(tmp_path / f"{name}.mrc"))
    ours = curve_to(truth, read_map(tmp_path / "ours.mrc"))
    assert curves["untold"][6:13].mean() < 0.9  # the fault is one
    assert curves["told"][1:13].min() > 0.98
    assert ours[1:13].min() > 0.98


def curve_to(truth: DensityMap, found: DensityMap) -> np.ndarray:
    inner = within_sphere(torch.tensor(found.voxels)).numpy()
    return fourier_shell_correlation(truth.voxels, inner, truth.pixel_size_angstrom).values


def test_relion_postprocess_gives_the_same_curve(stack: Path, tmp_path: Path):
    command = ["reconstruct", stack / "particles.star", "-o", tmp_path / "out.mrc", "--half-maps"]
    assert main([str(word) for word in command]) == 0
    halves = [read_map(tmp_path / f"out_half{half}.mrc") for half in (1, 2)]
    for half, density in enumerate(halves, start=1):
        write_map(density, tmp_path / f"rec_half{half}_class001_unfil.mrc")
    mask = sphere_mask(32, 8.0, 90.0, 30.0)
    write_map(DensityMap(mask, 8.0), tmp_path / "mask.mrc")
    (tmp_path / "post").mkdir()  # its report in PDF wants one
    flags = ["--i", "rec_half1_class001_unfil.mrc", "--o", "post/out", "--mask", "mask.mrc"]
    relion(tmp_path, "relion_postprocess", *flags, "--angpix", 8)
    table = read_star(tmp_path / "post" / "out.star").block("fsc").table
    for column, used in (
        ("rlnFourierShellCorrelationUnmaskedMaps", None),
        ("rlnFourierShellCorrelationMaskedMaps", mask),
    ):
        theirs = table[column].astype(float).to_numpy()
        ours = fourier_shell_correlation(halves[0].voxels, halves[1].voxels, 8.0, mask=used)
        # RELION counts its half space once; at x = 0 that counts every frequency twice.
        np.testing.assert_allclose(ours.values[: len(theirs)], theirs, atol=6e-3)
