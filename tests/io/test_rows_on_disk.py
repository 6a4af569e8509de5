"""A STAR file whose rows stay on disk reads and writes as one that is held in memory."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.euler import euler_zyz_deg_to_matrix
from napari_cryoorient.io import star_scan, star_text
from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.io.rows_on_disk import PackedTexts
from napari_cryoorient.io.star import write_poses
from napari_cryoorient.io.star_text import BlockOnDisk, read_star_text, write_star
from napari_cryoorient.particles import Poses, picked_names

N = 130
HEAD = """
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnVoltage #2
_rlnSphericalAberration #3
_rlnAmplitudeContrast #4
_rlnImagePixelSize #5
1 300.0 2.70 0.1 1.50

# version 30001

data_particles

loop_
_rlnImageName #1
_rlnAngleRot #2
_rlnAngleTilt #3
_rlnAnglePsi #4
_rlnOpticsGroup #5
_rlnLogLikeliContribution #6
_rlnMicrographName #7
_rlnClassNumber #8
_rlnOdd #9
"""


def spelled_oddly(row: int) -> str:
    odd = "none" if row == 70 else f"{row}.50"
    return (
        f"{row + 1:06d}@Extract/{row // 9}.mrcs  {row}.0 00{row}.250 -{row}.5e0 1 "
        f"{1e5 + row:12.6e}\tMotion/{row // 40}.mrc 0001 {odd}"
    )


@pytest.fixture
def star_path(tmp_path: Path) -> Path:
    path = tmp_path / "many.star"
    path.write_text(HEAD + "\n".join(map(spelled_oddly, range(N))) + "\n")
    return path


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take a hundred letters for many, and read a few rows at a time."""
    monkeypatch.setattr(star_scan, "LARGE_BYTES", 100)
    monkeypatch.setattr(star_scan, "_BYTES_AT_ONCE", 300)
    monkeypatch.setattr("napari_cryoorient.io.star_rows._ROWS_A_READ", 32)
    yield
    star_text._LAST.clear()


def poses() -> Poses:
    angles = np.random.default_rng(0).uniform(5, 170, (N, 3))
    return Poses(euler_zyz_deg_to_matrix(angles), angles[:, :2] / 10)


def test_rows_read_and_written_are_those_of_a_table_letter_by_letter(
    star_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_disk: None
):
    lean = read_star_text(star_path)
    with monkeypatch.context() as patch:
        patch.setattr(star_scan, "LARGE_BYTES", 1 << 26)
        whole = star_path.with_name("whole.star")
        whole.write_bytes(star_path.read_bytes())
        full = read_star_text(whole)
    block = particle_block(lean)
    assert isinstance(block, BlockOnDisk)
    assert not isinstance(particle_block(full), BlockOnDisk)
    some = np.array([3, 31, 32, 70, 129])
    for name, change in (
        ("same", lambda star, path: write_star(star, path)),
        ("poses", lambda star, path: write_poses(star, poses(), path, confidence=np.ones(N))),
        ("some", lambda star, path: write_poses(star, poses()[some], path, rows=some)),
        ("turned", lambda star, path: write_poses(star, poses()[some], path, rows=some[::-1])),
    ):
        written = [tmp_path / f"{name}-{kind}.star" for kind in ("lean", "full")]
        change(lean, written[0])
        assert ("table" in vars(block)) == (name == "turned")  # the only one that needs it
        change(full, written[1])
        assert written[0].read_bytes() == written[1].read_bytes()
    assert block.table.equals(particle_block(full).table)


def test_columns_are_numbers_or_text_as_the_table_has_them(star_path: Path, on_disk: None):
    table = ParticleTable(read_star_text(star_path))
    names = table.image_names()
    assert isinstance(names, PackedTexts)
    assert list(names)[::64] == ["000001@Extract/0.mrcs", "000065@Extract/7.mrcs", names[128]]
    assert list(picked_names(names, np.array([128, 2]))) == [names[128], "000003@Extract/0.mrcs"]
    np.testing.assert_array_equal(table.floats("rlnAnglePsi"), -np.arange(N) - 0.5)
    assert table.texts("rlnAngleTilt")[7] == "007.250"
    assert set(table.texts("rlnMicrographName")) == {f"Motion/{i}.mrc" for i in range(4)}
    with pytest.raises(InputError, match="row 71 has 'none' in _rlnOdd"):
        table.floats("rlnOdd")
    assert len(read_pose_table(star_path).names) == N


def test_row_that_is_short_or_odd_is_told_as_ever(star_path: Path, on_disk: None):
    lines = star_path.read_text().splitlines()
    star_path.write_text("\n".join([*lines[:-20], lines[-20].rsplit(None, 2)[0], *lines[-19:]]))
    with pytest.raises(InputError, match=r"row 111 of data_particles has 7 values for 9 columns"):
        read_star_text(star_path)
    quoted = lines[-20].replace("Extract/", "'Ex tract/").replace(".mrcs", ".mrcs'", 1)
    star_path.write_text("\n".join([*lines[:-20], quoted.replace("000111@", ""), *lines[-19:]]))
    assert not isinstance(particle_block(read_star_text(star_path)), BlockOnDisk)


def test_file_may_go_away_but_not_change(star_path: Path, tmp_path: Path, on_disk: None):
    star = read_star_text(star_path)
    elsewhere = star_path.rename(tmp_path / "moved.star")
    star_path.write_text("another")
    write_poses(star, poses(), tmp_path / "out.star")
    assert "000130@Extract/14.mrcs" in (tmp_path / "out.star").read_text()
    with elsewhere.open("a") as file:
        file.write("\n")
    with pytest.raises(InputError, match="was changed while it was in use"):
        write_poses(star, poses(), tmp_path / "again.star")
    assert not (tmp_path / "again.star").exists()


def test_rows_can_be_sent_to_another_process(star_path: Path, on_disk: None):
    block = pickle.loads(pickle.dumps(particle_block(read_star_text(star_path))))
    assert [len(part) for part in block.parts()] == [32, 32, 32, 32, 2]


def test_file_is_read_once_by_a_command_that_looks_twice(star_path: Path, on_disk: None):
    star = read_star_text(star_path)
    assert read_star_text(star_path) is star
    particle_block(star).forget_numbers()  # as is done once they are in the particles
    again = read_star_text(star_path)
    assert again is not star
    np.testing.assert_array_equal(ParticleTable(star).floats("rlnAngleRot"), np.arange(N))
    star_path.write_text(star_path.read_text().replace("rlnAngleRot", "rlnAngleOld"))
    assert "rlnAngleOld" in particle_block(read_star_text(star_path)).columns
