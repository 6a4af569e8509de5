"""Whether values of the contrast transfer can be what a microscope gave, in the units they are in.

Most particles out of range: the file is in another unit, and is refused with the likely one.  Some:
they are named in a note.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import CtfParameters, Floats

N_NAMED = 3


@dataclass(frozen=True)
class _Range:
    """Values ``low`` to ``high`` are used, those of ``usual`` without a word.

    ``units``: from, to, and what a size between them is likely to mean.
    """

    field: str
    column: str
    unit: str
    low: float
    high: float
    usual: tuple[float, float]
    units: tuple[tuple[float, float, str], ...] = ()

    def likely(self, value: float) -> str:
        """Return what a value is likely to be, in words that end a sentence, or nothing."""
        for low, high, words in self.units:
            if low <= value <= high:
                return f": {words}"
        return ""


_RANGES = (
    *(
        _Range(
            f"defocus_{axis}_angstrom",
            f"rlnDefocus{axis.upper()}",
            "A",
            -1e6,
            1e6,
            (3000.0, 1e5),
            (
                (0.05, 20.0, "micrometres? Multiply by 10000"),
                (20.0, 3000.0, "nanometres? Multiply by 10"),
                (1e-9, 1e-4, "metres? Multiply by 1e10"),
                (-1e6, -0.05, "overfocus, or a program that counts underfocus as negative"),
            ),
        )
        for axis in "uv"
    ),
    _Range(
        "voltage_kv",
        "rlnVoltage",
        "kV",
        10.0,
        5e3,
        (60.0, 1250.0),
        ((1e4, 5e6, "volts? Divide by 1000"), (0.05, 5.0, "megavolts? Multiply by 1000")),
    ),
    _Range(
        "spherical_aberration_mm",
        "rlnSphericalAberration",
        "mm",
        -20.0,
        50.0,
        (0.005, 8.0),
        (
            (100.0, 1e4, "micrometres? Divide by 1000"),
            (1e5, 1e8, "angstrom or nanometres? Give millimetres"),
            (0.0, 0.0, "right with a corrector alone"),
            (1e-9, 0.005, "metres? Multiply by 1000"),
        ),
    ),
    _Range(
        "amplitude_contrast",
        "rlnAmplitudeContrast",
        "(a part of 1)",
        -1.0,
        1.0,
        (0.0, 0.5),
        ((1.0, 100.0, "per cent? Divide by 100"),),
    ),
    _Range(
        "phase_shift_deg",
        "rlnPhaseShift",
        "degrees",
        -3600.0,
        3600.0,
        (-360.0, 360.0),
    ),
    _Range("b_factor_angstrom2", "rlnCtfBfactor", "A^2", -2000.0, 1e5, (-300.0, 3000.0)),
    _Range("scale", "rlnCtfScalefactor", "(1: unscaled)", -1e6, 1e6, (0.05, 20.0)),
    _Range("defocus_angle_deg", "rlnDefocusAngle", "degrees", -3600.0, 3600.0, (-360.0, 360.0)),
)
# Phase plates shift by tens of degrees.
_RADIANS = (0.05, 3.15)
# Defoci less than this, most of them, are in another unit (in angstrom).
_LEAST_DEFOCUS = 100.0
# Squares of a CTF scaled by less vanish in single precision, and the image with it.
_LEAST_SCALE = 1e-6
# Single rows may go beyond what is usual by these parts of its limits.
_MARGIN = 0.7, 0.5


def check_ctf_values(ctf: CtfParameters, path: Path | None, notes: list[str]) -> None:
    """Add notes on values out of their range to ``notes``.

    Raises InputError where no CTF can be made of them, or of most of them.
    """
    if not ctf.scale.any():
        raise InputError(
            f"{path} has a rlnCtfScalefactor of 0 in every row: the CTF is zero everywhere, and "
            "the images hold no signal; leave the column out, or give scales near 1."
        )
    nothing = np.flatnonzero(np.abs(ctf.scale) < _LEAST_SCALE)
    if nothing.size:
        raise InputError(
            f"{path} has a rlnCtfScalefactor of 0 in {named_rows(nothing)}: their CTF is zero and "
            "their images hold no signal; leave these rows out."
        )
    told = ""
    for each in _RANGES:
        values: Floats = getattr(ctf, each.field)
        middle = float(np.median(values))
        if not each.low <= middle <= each.high or _is_other_defocus(each, ctf, middle):
            raise InputError(
                f"{path} has a {each.column} of {middle:g} {each.unit} (the median), which is out "
                f"of range{each.likely(middle)}."
            )
        impossible = (values < each.low) | (values > each.high)
        if impossible.any():
            first = float(values[impossible][0])
            raise InputError(
                f"{path} has a {each.column} of {first:g} {each.unit} in "
                f"{named_rows(np.flatnonzero(impossible))}, which is out of range"
                f"{each.likely(first)}; correct these rows or leave them out."
            )
        note = _note(each, values, middle)
        if note is not None and not (each.column == "rlnDefocusV" and "DefocusU" in told):
            notes.append(note)
            told = note
    median = float(np.median(np.abs(ctf.phase_shift_deg)))
    if _RADIANS[0] <= median <= _RADIANS[1] and np.abs(ctf.phase_shift_deg).max() <= 2 * np.pi:
        notes.append(
            f"rlnPhaseShift has a median of {median:g} degrees: radians? Multiply by 57.296"
        )
    apart = np.abs(ctf.defocus_u_angstrom - ctf.defocus_v_angstrom)
    mean = np.abs(ctf.defocus_u_angstrom + ctf.defocus_v_angstrom) / 2
    odd = apart > np.maximum(mean, 5000.0)
    if odd.any():
        notes.append(
            "rlnDefocusU and rlnDefocusV lie further apart than their mean in "
            f"{named_rows(np.flatnonzero(odd))}"
        )


def _is_other_defocus(each: _Range, ctf: CtfParameters, middle: float) -> bool:
    """Tell a defocus that is too small without a phase plate: one in another unit, or none."""
    is_small = each.column == "rlnDefocusU" and abs(middle) < _LEAST_DEFOCUS
    return is_small and not ctf.phase_shift_deg.any()


def _note(each: _Range, values: Floats, middle: float) -> str | None:
    """Return a note on a median, or on single rows, that are not usual."""
    low, high = each.usual
    if not low <= middle <= high:
        return f"{each.column} has a median of {middle:g} {each.unit}{each.likely(middle)}"
    low, high = low - _MARGIN[0] * abs(low), high + _MARGIN[1] * abs(high)
    odd = np.flatnonzero((values < low) | (values > high))
    if not odd.size:
        return None
    first = float(values[odd[0]])
    return f"{each.column} is {first:g} {each.unit} in {named_rows(odd)}{each.likely(first)}"


def named_rows(rows: Iterable[int]) -> str:
    """Return the first of some rows, counted from 1, and how many there are."""
    places = [int(row) + 1 for row in rows]
    if len(places) == 1:
        return f"row {places[0]}"
    first = ", ".join(str(place) for place in places[:N_NAMED])
    more = " ..." if len(places) > N_NAMED else ""
    return f"{len(places)} rows ({first}{more})"
