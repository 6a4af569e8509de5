"""The commands on a ``.cs`` file: poses to ``.cs`` and to STAR, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.io.star import read_particles
from support.command_line import call, simulated

N = 30


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated particles, and the same in a ``.cs`` file that has no poses."""
    flags = ["--n", N, "--snr", 0.5, "--shift-sigma", 4, "--seed", 0]
    folder = simulated(tmp_path_factory.mktemp("stack"), *flags)
    particles, _ = read_particles(folder / "particles.star")
    ctf = particles.ctf
    made = np.zeros(
        N,
        dtype=[
            *(("uid", "<u8"), ("blob/path", "S32"), ("blob/idx", "<u4")),
            *(("blob/shape", "<u4", (2,)), ("blob/psize_A", "<f4"), ("blob/sign", "<f4")),
            *(("ctf/accel_kv", "<f4"), ("ctf/cs_mm", "<f4"), ("ctf/amp_contrast", "<f4")),
            *(("ctf/df1_A", "<f4"), ("ctf/df2_A", "<f4"), ("ctf/df_angle_rad", "<f4")),
            ("ctf/phase_shift_rad", "<f4"),
        ],
    )
    made["uid"] = np.arange(N) + 5
    made["blob/path"] = b">particles.mrcs"
    made["blob/idx"] = np.arange(N)
    made["blob/shape"] = particles.box
    made["blob/psize_A"] = particles.pixel_size_angstrom
    made["blob/sign"] = 1
    made["ctf/accel_kv"] = ctf.voltage_kv
    made["ctf/cs_mm"] = ctf.spherical_aberration_mm
    made["ctf/amp_contrast"] = ctf.amplitude_contrast
    made["ctf/df1_A"], made["ctf/df2_A"] = ctf.defocus_u_angstrom, ctf.defocus_v_angstrom
    made["ctf/df_angle_rad"] = np.deg2rad(ctf.defocus_angle_deg)
    with (folder / "particles.cs").open("wb") as file:
        np.save(file, made)
    return folder


def test_search_and_refine_from_cs_to_cs_and_star(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    density = ["--map", stack / "map.mrc"]
    for name in ("found.cs", "found.star"):
        words = ["search", stack / "particles.cs", *density, "-o", tmp_path / name]
        assert call(capsys, *words)[0] == 0
    status, out, _ = call(
        capsys, "evaluate", tmp_path / "found.cs", stack / "particles.star", "--json"
    )
    assert status == 0
    found = json.loads(out.splitlines()[-1])
    assert found["n"] == N
    assert found["fraction_under_10_deg"] > 0.9
    star, cs = (read_pose_table(tmp_path / f"found.{kind}").poses for kind in ("star", "cs"))
    np.testing.assert_allclose(cs.rotations, star.rotations, atol=3e-6)
    np.testing.assert_allclose(cs.shifts_angstrom, star.shifts_angstrom, atol=3e-6)

    refined = tmp_path / "refined.cs"
    words = ["refine", tmp_path / "found.cs", *density, "-o", refined, "--project-dir", stack]
    assert call(capsys, *words)[0] == 0
    records = np.load(refined)
    true, _ = read_particles(stack / "particles.star")
    r = Rotation.from_rotvec(records["alignments3D/pose"]).as_matrix()
    turned = r.transpose(0, 2, 1) @ true.poses.rotations.transpose(0, 2, 1)
    assert np.median(np.rad2deg(Rotation.from_matrix(turned).magnitude())) < 5
    assert records["uid"].tolist() == list(range(5, 5 + N))
    assert "cryoorient/confidence" in records.dtype.names  # the search's, which refine keeps


def test_a_subset_keeps_its_uids(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["search", stack / "particles.cs", "--map", stack / "map.mrc", "--subset", 7]
    assert call(capsys, *words, "-o", tmp_path / "some.cs")[0] == 0
    some = np.load(tmp_path / "some.cs")
    assert len(some) == 7
    assert (some["uid"] == some["blob/idx"] + 5).all()


def test_cs_output_from_a_star_file_is_refused_before_the_work(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["search", stack / "particles.star", "--map", stack / "map.mrc"]
    status, _, err = call(capsys, *words, "-o", tmp_path / "found.cs")
    assert status == 2
    assert "a .cs file is made of the .cs file that was read" in err
    assert not list(tmp_path.iterdir())
