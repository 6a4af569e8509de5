"""``export`` to RELION's two dialects, cryoSPARC and cryoDRGN, read back by their own formulas."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_cryoorient as nc
from napari_cryoorient.cli import main
from napari_cryoorient.io.star import new_particle_star, read_star, write_star
from napari_cryoorient.particles import CtfParameters, Poses

N, BOX, PIXEL = 5, 48, 1.7
RNG = np.random.default_rng(4)
ANGLES = np.stack(
    [RNG.uniform(-180, 180, N), RNG.uniform(1, 179, N), RNG.uniform(-180, 180, N)], axis=1
)
ORIGINS = RNG.normal(size=(N, 2)) * 5


def turn(axis: str, degrees: np.ndarray) -> np.ndarray:
    """Turns about z or y, counter-clockwise, written out."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    o, i = np.zeros_like(c), np.ones_like(c)
    rows = [[c, -s, o], [s, c, o], [o, o, i]] if axis == "z" else [[c, o, s], [o, i, o], [-s, o, c]]
    return np.array(rows).transpose(2, 0, 1)


RELION_A = (turn("z", ANGLES[:, 0]) @ turn("y", ANGLES[:, 1]) @ turn("z", ANGLES[:, 2])).transpose(
    0, 2, 1
)
CTF = CtfParameters(
    defocus_u_angstrom=RNG.uniform(1e4, 2e4, N),
    defocus_v_angstrom=RNG.uniform(1e4, 2e4, N),
    defocus_angle_deg=RNG.uniform(-90, 90, N),
    phase_shift_deg=RNG.uniform(0, 90, N),
    voltage_kv=np.full(N, 200.0),
    spherical_aberration_mm=np.full(N, 1.4),
    amplitude_contrast=np.full(N, 0.07),
    b_factor_angstrom2=np.zeros(N),
    scale=np.ones(N),
)


@pytest.fixture
def particles(tmp_path: Path) -> Path:
    """A STAR file with poses, CTF and confidences, and no stack anywhere."""
    star = new_particle_star(
        "far/away.mrcs", Poses(RELION_A, -ORIGINS), box=BOX, pixel_size_angstrom=PIXEL, ctf=CTF
    )
    block = star.block("particles")
    block.table["rlnParticleFigureOfMerit"] = ["0.9", "0.1", "0.50", "0.7", "0.2"]
    block.table["rlnMine"] = [f"mine{i}" for i in range(N)]
    path = tmp_path / "particles.star"
    write_star(star, path)
    return path


def called(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_cryodrgn(particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "drgn"
    status, out, _ = called(
        capsys, "export", particles, "-o", folder, "--format", "cryodrgn", "--json"
    )
    assert status == 0
    assert json.loads(out.splitlines()[-1])["particles"] == N
    rotations, translations = pickle.loads((folder / "pose.pkl").read_bytes())
    assert rotations.dtype == np.float32
    np.testing.assert_allclose(rotations, RELION_A, atol=1e-6)
    np.testing.assert_allclose(translations, ORIGINS / PIXEL / BOX, atol=1e-7)
    ctf = pickle.loads((folder / "ctf.pkl").read_bytes())
    assert ctf.shape == (N, 9)
    assert ctf.dtype == np.float32
    expected = [np.full(N, BOX), np.full(N, PIXEL), CTF.defocus_u_angstrom, CTF.defocus_v_angstrom]
    expected += [CTF.defocus_angle_deg, CTF.voltage_kv, CTF.spherical_aberration_mm]
    expected += [CTF.amplitude_contrast, CTF.phase_shift_deg]
    np.testing.assert_allclose(ctf, np.stack(expected, 1).astype(np.float32), rtol=1e-6)


def test_cryodrgn_without_poses_gets_the_ctf(
    particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = particles.read_text().replace("rlnAngleTilt", "rlnSomething")
    (tmp_path / "bare.star").write_text(text)
    status, _, err = called(
        capsys, "export", tmp_path / "bare.star", "-o", tmp_path / "d", "--format", "cryodrgn"
    )
    assert status == 0
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["ctf.pkl"]
    assert "no poses" in err


def test_relion_30_and_back(
    particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old.star", tmp_path / "new.star"
    assert called(capsys, "export", particles, "-o", old, "--format", "relion30")[0] == 0
    assert called(capsys, "export", old, "-o", new, "--format", "star")[0] == 0
    assert read_star(old).block("optics") is None
    table = read_star(old).blocks[0].table
    pixels = table[["rlnOriginX", "rlnOriginY"]].astype(float).to_numpy()
    np.testing.assert_allclose(pixels, ORIGINS / PIXEL, atol=1e-6)
    assert table["rlnMine"].tolist() == [f"mine{i}" for i in range(N)]
    _, out, _ = called(capsys, "evaluate", new, particles, "--json")
    errors = json.loads(out.splitlines()[-1])
    assert errors["median_deg"] < 1e-4
    assert errors["shift_rms_angstrom"] < 1e-5


def test_filter_by_confidence(
    particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.star"
    status, out, _ = called(capsys, "export", particles, "-o", kept, "--min-confidence", 0.5)
    assert status == 0
    assert "3 particles (2 left out)" in out
    table = read_star(kept).block("particles").table
    assert table["rlnMine"].tolist() == ["mine0", "mine2", "mine3"]
    assert table["rlnParticleFigureOfMerit"].tolist() == ["0.9", "0.50", "0.7"]
    done = nc.export(particles, tmp_path / "again.star", min_confidence=0.5)
    assert (done.n_particles, done.n_left_out) == (3, 2)
    assert done.paths == (tmp_path / "again.star",)
    assert done.paths[0].read_bytes() == kept.read_bytes()
    status, _, err = called(
        capsys, "export", particles, "-o", tmp_path / "none.star", "--min-confidence", 0.95
    )
    assert status == 2
    assert "No particle" in err
    assert not (tmp_path / "none.star").exists()


def test_what_cannot_be_exported(
    particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = called(
        capsys, "export", particles, "-o", tmp_path / "out.cs", "--format", "cs"
    )
    assert status == 2
    assert "a .cs file is made of the .cs file that was read" in err
    status, _, err = called(capsys, "export", particles, "-o", particles)
    assert status == 2
    assert "would be overwritten" in err
    text = "\n".join(
        line.replace(f" {BOX} 2", " 2") if "opticsGroup1" in line else line
        for line in particles.read_text().split("\n")
        if "rlnImageSize" not in line
    )
    (tmp_path / "no_size.star").write_text(text)
    status, _, err = called(
        capsys, "export", tmp_path / "no_size.star", "-o", tmp_path / "d", "--format", "cryodrgn"
    )
    assert status == 2
    assert "how large the images are" in err
    assert not (tmp_path / "d" / "pose.pkl").exists()


@pytest.mark.parametrize("odd", ["nan", "inf", "-inf", "north"])
@pytest.mark.parametrize("column", ["rlnAngleTilt", "rlnOriginXAngst"])
def test_poses_that_are_no_numbers_are_refused(
    column: str, odd: str, particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    star = read_star(particles)
    block = star.blocks[-1]
    table = block.table.copy()
    table.loc[2, column] = odd
    write_star(star.with_block(replace(block, table=table)), tmp_path / "odd.star")
    assert main(["export", str(tmp_path / "odd.star"), "-o", str(tmp_path / "o.star")]) == 2
    assert f"row 3 has '{odd}' in _{column}" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "o.star").exists()
