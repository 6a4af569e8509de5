"""Angles, origins, pixel sizes and images named twice: used, told or refused, never silent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.pixel_sizes import check_pixel_size
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import read_particles

N, BOX = 24, 16
Columns = dict[str, list[str]]


@pytest.fixture
def columns() -> Columns:
    random = np.random.default_rng(3)
    angles = {
        f"rlnAngle{n}": [f"{a:.3f}" for a in random.uniform(0, 170, N)]
        for n in ("Rot", "Tilt", "Psi")
    }
    origins = {f"rlnOrigin{n}Angst": ["1.0"] * N for n in "XY"}
    return {
        "rlnImageName": [f"{i + 1}@stack.mrcs" for i in range(N)],
        "rlnImagePixelSize": ["4.0"] * N,
        **angles,
        **origins,
    }


@pytest.fixture
def notes_of(tmp_path: Path):
    with StackWriter(tmp_path / "stack.mrcs", N, BOX, 4.0) as writer:
        writer.append(np.random.default_rng(0).normal(size=(N, BOX, BOX)))

    def read(columns: Columns) -> str:
        head = "".join(f"_{name} #{i}\n" for i, name in enumerate(columns, 1))
        rows = "".join(" ".join(row) + "\n" for row in zip(*columns.values(), strict=True))
        (tmp_path / "p.star").write_text(f"data_\n\nloop_\n{head}{rows}")
        return " | ".join(read_particles(tmp_path / "p.star")[0].notes)

    return read


def test_usual_poses_are_taken_without_a_word(columns, notes_of):
    assert notes_of(columns) == "no CTF: the STAR lacks rlnDefocusU, rlnDefocusV, " + (
        "rlnDefocusAngle, rlnVoltage, rlnSphericalAberration, rlnAmplitudeContrast"
    )


def test_angles_in_radians_are_told(columns, notes_of):
    for name in ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"):
        columns[name] = [f"{np.deg2rad(float(a)):.5f}" for a in columns[name]]
    assert "radians? Multiply by 57.296" in notes_of(columns)


def test_angles_of_many_turns_are_told_and_absurd_ones_refused(columns, notes_of):
    columns["rlnAngleTilt"][2] = "5000"
    assert "an angle is 5000 degrees in row 3" in notes_of(columns)
    columns["rlnAngleTilt"][2] = "1e30"
    with pytest.raises(InputError, match="row 3"):
        notes_of(columns)


def test_an_origin_along_one_axis_alone_is_told(columns, notes_of):
    del columns["rlnOriginXAngst"]
    assert "no rlnOriginXAngst or rlnOriginX: that origin is treated as 0" in notes_of(columns)


def test_two_origins_that_differ_are_told_and_those_that_agree_are_not(columns, notes_of):
    columns["rlnOriginX"] = ["0.25"] * N
    assert "differ" not in notes_of(columns)
    columns["rlnOriginX"] = ["3.0"] * N
    assert f"rlnOriginXAngst and rlnOriginX of {N} particles differ" in notes_of(columns)


def test_shifts_out_of_the_image_are_told(columns, notes_of):
    columns["rlnOriginYAngst"][4] = "500"
    assert "a shift of 500 A leads out of the image in row 5" in notes_of(columns)


def test_an_image_named_twice_is_told(columns, notes_of):
    columns["rlnImageName"][7] = "1@stack.mrcs"
    assert "the image of another row is listed again in row 8" in notes_of(columns)


@pytest.mark.parametrize(("size", "likely"), [("1e-10", "metres"), ("5000", "picometres")])
def test_pixel_sizes_of_no_micrograph_are_refused(columns, notes_of, size, likely):
    columns["rlnImagePixelSize"] = [size] * N
    with pytest.raises(InputError, match=likely):
        notes_of(columns)


def test_unusual_pixel_sizes_are_told():
    notes: list[str] = []
    check_pixel_size(1.2, "p.star", notes)
    assert notes == []
    check_pixel_size(0.12, "p.star", notes)
    assert "nanometres? Multiply by 10" in notes[0]


def test_a_stack_longer_than_its_header_promises_is_told(columns, notes_of, tmp_path):
    notes_of(columns)
    stack = tmp_path / "stack.mrcs"
    stack.write_bytes(stack.read_bytes() + bytes(BOX * BOX * 4))
    assert "bytes more than the 24 sections of mode 2" in notes_of(columns)
