"""Optics that nobody uses or that name tilt series, stacks that are no files, two pixel sizes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.cli import main
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.io.star_text import read_star_text

OPTICS = "data_optics\nloop_\n_rlnOpticsGroup\n_rlnImagePixelSize\n_rlnVoltage\n"
PARTICLES = (
    "data_particles\nloop_\n_rlnImageName\n_rlnOpticsGroup\n_rlnAngleRot\n_rlnAngleTilt\n"
    "_rlnAnglePsi\n_rlnOriginXAngst\n_rlnOriginYAngst\n"
)


def write_table(path: Path, optics: str, *, stack: str = "s.mrcs", n: int = 3) -> Path:
    rows = "".join(f"{i + 1}@{stack} 1 {10 * i} 20 30 0 0\n" for i in range(n))
    path.write_text(f"{OPTICS}{optics}\n{PARTICLES}{rows}")
    return path


@pytest.mark.parametrize("odd", ["2 nan 300", "2 4 nan", "2 none 300", "2 inf inf", "2 4 <NA>"])
def test_an_optics_group_without_particles_may_hold_anything(odd: str, tmp_path: Path):
    table = ParticleTable(read_star_text(write_table(tmp_path / "p.star", f"1 4 300\n{odd}\n")))
    np.testing.assert_array_equal(table.floats("rlnImagePixelSize"), [4, 4, 4])
    np.testing.assert_array_equal(table.floats("rlnVoltage"), [300, 300, 300])


def test_a_value_at_fault_in_the_optics_is_named_by_its_place_there(tmp_path: Path):
    table = ParticleTable(read_star_text(write_table(tmp_path / "p.star", "2 4 nan\n1 4 volts\n")))
    with pytest.raises(InputError, match="data_optics, row 2 has 'volts' in _rlnVoltage"):
        table.floats("rlnVoltage")


@pytest.mark.parametrize(
    "column", ["rlnTomoTiltSeriesPixelSize", "rlnTomoSubTomosAre2DStacks", "rlnTomoHand"]
)
def test_tilt_series_named_in_the_optics_alone_are_refused(column: str, tmp_path: Path):
    path = write_table(tmp_path / "p.star", "1 4 300\n")
    path.write_text(path.read_text().replace("rlnVoltage", column))
    with pytest.raises(InputError, match=f"tilt series .*{column}"):
        ParticleTable(read_star_text(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX systems")
@pytest.mark.parametrize("kind", ["folder", "pipe", "link that leads nowhere"])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_stack_that_is_no_file_is_called_what_it_is(kind: str, absolute: bool, tmp_path: Path):
    place = tmp_path / "s.mrcs"
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(tmp_path / "gone.mrcs")
    stack = str(place) if absolute else place.name
    path = write_table(tmp_path / "p.star", "1 4 300\n", stack=stack)
    with pytest.raises(InputError, match=f"s.mrcs named in .* is a {kind}, not a file"):
        read_particles(path)


def test_a_row_cut_short_is_said_in_a_sentence(tmp_path: Path):
    path = write_table(tmp_path / "p.star", "1 4 300\n")
    path.write_text(path.read_text()[:-6])
    with pytest.raises(InputError, match="last row") as refused:
        read_star_text(path)
    assert "?." not in str(refused.value)


@pytest.mark.parametrize(("size", "is_told"), [("4", False), ("4.0004", False), ("8", True)])
def test_evaluate_says_where_pixel_sizes_differ(size: str, is_told: bool, tmp_path: Path, capsys):
    one = write_table(tmp_path / "a.star", "1 4 300\n")
    two = write_table(tmp_path / "b.star", f"1 {size} 300\n")
    assert main(["evaluate", str(one), str(two)]) == 0
    said = "the pixel sizes of 3 of 3 particles differ, as 4 and 8 A do"
    assert (said in capsys.readouterr().err) == is_told


def test_pixel_sizes_of_zero_leave_poses_to_compare(tmp_path: Path, capsys):
    one = write_table(tmp_path / "a.star", "1 0 300\n")
    assert main(["evaluate", str(one), str(one)]) == 0
    assert "pixel size of 0" in capsys.readouterr().err


def test_stacks_of_two_pixel_sizes_are_told_in_the_table_of_poses(tmp_path: Path):
    with StackWriter(tmp_path / "s.mrcs", 3, 16, 4.0) as writer:
        writer.append(np.random.default_rng(0).normal(size=(3, 16, 16)))
    path = write_table(tmp_path / "p.star", "1 4 300\n2 nan nan\n")
    assert read_particles(path)[0].pixel_size_angstrom == 4.0
