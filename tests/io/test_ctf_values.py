"""Values of the contrast transfer in another unit, or of no sense, never pass silently."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.ctf_values import check_ctf_values
from napari_cryoorient.particles import CtfParameters

N = 20
PATH = Path("p.star")


def usual() -> CtfParameters:
    defocus = np.linspace(8000.0, 25000.0, N)
    values = (30.0, 0.0, 300.0, 2.7, 0.1, 0.0, 1.0)
    return CtfParameters(defocus, defocus - 300, *(np.full(N, value) for value in values))


def told(ctf: CtfParameters) -> str:
    notes: list[str] = []
    try:
        check_ctf_values(ctf, PATH, notes)
    except InputError as error:
        return str(error)
    return "; ".join(notes)


def scaled(field: str, factor: float, *, offset: float = 0.0) -> CtfParameters:
    ctf = usual()
    names = [field] if field != "defocus" else ["defocus_u_angstrom", "defocus_v_angstrom"]
    return replace(ctf, **{name: factor * getattr(ctf, name) + offset for name in names})


def test_what_a_microscope_gives_passes_without_a_word():
    assert told(usual()) == ""
    plate = replace(usual(), phase_shift_deg=np.linspace(20.0, 130.0, N))
    assert told(plate) == ""
    for voltage, cs, contrast in ((200.0, 2.0, 0.07), (100.0, 1.6, 0.15), (300.0, 2.7, 0.0)):
        values = {"voltage_kv": voltage, "spherical_aberration_mm": cs}
        values["amplitude_contrast"] = contrast
        assert told(replace(usual(), **{k: np.full(N, v) for k, v in values.items()})) == ""


@pytest.mark.parametrize(
    ("field", "factor", "unit"),
    [
        ("defocus", 1e-4, "micrometres"),
        ("defocus", 0.1, "nanometres"),
        ("defocus", 1e-10, "metres"),
        ("defocus", -1.0, "underfocus as negative"),
        ("defocus", 0.0, "out of range"),
        ("voltage_kv", 1e3, "volts"),
        ("voltage_kv", 1e-3, "megavolts"),
        ("spherical_aberration_mm", 1e3, "micrometres"),
        ("spherical_aberration_mm", 1e7, "angstrom"),
        ("spherical_aberration_mm", 1e-3, "metres"),
        ("spherical_aberration_mm", 0.0, "corrector"),
        ("amplitude_contrast", 100.0, "per cent"),
        ("scale", 0.0, "zero everywhere"),
        ("scale", -1.0, "rlnCtfScalefactor"),
    ],
)
def test_the_likely_unit_is_named(field: str, factor: float, unit: str):
    assert unit in told(scaled(field, factor))


def test_radians_and_b_factors_are_told():
    assert "radians" in told(replace(usual(), phase_shift_deg=np.full(N, 1.57)))
    assert "rlnCtfBfactor" in told(scaled("b_factor_angstrom2", 0.0, offset=-1e6))
    assert "rlnCtfBfactor" in told(scaled("b_factor_angstrom2", 0.0, offset=-800.0))


@given(
    row=st.integers(0, N - 1),
    case=st.sampled_from(
        [
            ("defocus_u_angstrom", -9e5, 0.0),
            ("defocus_u_angstrom", 2e5, 1e12),
            ("voltage_kv", 2e3, 1e9),
            ("voltage_kv", 1e-9, 15.0),
            ("spherical_aberration_mm", 15.0, 1e9),
            ("amplitude_contrast", 1.001, 1e3),
            ("amplitude_contrast", -1e3, -0.1),
            ("b_factor_angstrom2", 1e4, 1e12),
            ("b_factor_angstrom2", -1e12, -1e3),
            ("scale", -100.0, 0.0),
            ("scale", 100.0, 1e12),
            ("phase_shift_deg", 1e3, 1e9),
        ]
    ),
    part=st.floats(0.0, 1.0),
)
def test_single_rows_out_of_range_are_named(row: int, case: tuple[str, float, float], part: float):
    field, low, high = case
    values = getattr(usual(), field).copy()
    values[row] = low + part * (high - low)
    sentence = told(replace(usual(), **{field: values}))
    assert f"row {row + 1}" in sentence
    assert sentence.count(".star") <= 1


@given(
    field=st.sampled_from(
        [f.name for f in fields(usual()) if getattr(usual(), f.name) is not None]
    ),
    size=st.floats(1e7, 1e30),
    sign=st.sampled_from([-1.0, 1.0]),
)
def test_values_of_no_sense_are_refused(field: str, size: float, sign: float):
    with pytest.raises(InputError, match=r"p.star has a rln.*out of range"):
        check_ctf_values(replace(usual(), **{field: np.full(N, sign * size)}), PATH, [])
