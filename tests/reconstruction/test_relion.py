"""Maps and curves beside those of RELION's own programs, from the same files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.cli import main
from napari_cryoorient.demo.density import demo_density
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.io.star import read_star
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.reconstruction.fsc import fourier_shell_correlation, sphere_mask
from napari_cryoorient.reconstruction.solve import within_sphere

pytestmark = pytest.mark.relion


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stack")
    write_map(demo_density(32, 8.0), folder / "input.mrc")
    flags = ["--n", 300, "--snr", 1, "--shift-sigma", 4, "--seed", 2]
    assert main([str(w) for w in ["simulate", folder / "input.mrc", "-o", folder, *flags]]) == 0
    return folder


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
