"""Whether angles and origins of a file can be poses, in the units they are in."""

from __future__ import annotations

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.ctf_values import named_rows
from napari_cryoorient.io.new_star import ANGLES, ORIGINS_ANGSTROM, ORIGINS_PIXELS
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.particles import Floats

_LARGEST_DEG = 1e5  # beyond, digits are lost
_USUAL_DEG = 720.0
_FULL_TURN_RADIANS = 2 * np.pi
_FEWEST_FOR_UNITS = 20  # so many angles of a few degrees alone are no chance
_ORIGIN_NOTE_PIXELS = 0.1  # more than rounding


def check_angles(angles_deg: Floats, table: ParticleTable, notes: list[str]) -> None:
    """Note Euler angles ``(n, 3)`` that are not usual; raise InputError for impossible ones."""
    largest = np.abs(angles_deg).max(axis=1)
    impossible = np.flatnonzero(largest > _LARGEST_DEG)
    if impossible.size:
        row = int(impossible[0])
        raise InputError(
            f"{table.path} has an angle of {largest[row]:g} degrees in {named_rows(impossible)}, "
            "which is out of range; correct these rows or leave them out."
        )
    odd = np.flatnonzero(largest > _USUAL_DEG)
    if odd.size:
        notes.append(f"an angle is {largest[odd[0]]:g} degrees in {named_rows(odd)}")
    of_views = angles_deg[:, :2]  # a tomogram's or a filament's psi alone may be small
    spread = of_views.max(axis=0) - of_views.min(axis=0)
    if (
        len(angles_deg) >= _FEWEST_FOR_UNITS
        and largest.max() <= _FULL_TURN_RADIANS
        and (spread > 1.0).all()
    ):
        notes.append(
            f"no angle ({', '.join(ANGLES)}) is beyond {largest.max():.3g} degrees: radians? "
            "Multiply by 57.296"
        )


def note_origins(table: ParticleTable, pixel_sizes: float | Floats, notes: list[str]) -> None:
    """Note an origin along one axis alone, and two spellings of it that differ."""
    pairs = list(zip(ORIGINS_ANGSTROM, ORIGINS_PIXELS, strict=True))
    there = [angstrom in table or pixels in table for angstrom, pixels in pairs]
    if any(there) and not all(there):
        lacking = pairs[there.index(False)]
        notes.append(f"no {' or '.join(lacking)}: that origin is treated as 0")
    for angstrom, pixels in pairs:
        if angstrom not in table or pixels not in table:
            continue
        apart = np.abs(table.floats(angstrom) - table.floats(pixels) * pixel_sizes)
        n = int((apart > _ORIGIN_NOTE_PIXELS * np.asarray(pixel_sizes)).sum())
        if n:
            notes.append(f"{angstrom} and {pixels} of {n} particles differ; {angstrom} is used")


def far_shifts(shifts_angstrom: Floats, edges_angstrom: Floats) -> list[str]:
    """Return a note where shifts ``(n, 2)`` lead out of images with edges of ``(n,)``."""
    outside = np.flatnonzero(np.abs(shifts_angstrom).max(axis=1) > edges_angstrom / 2)
    if not outside.size:
        return []
    first = np.abs(shifts_angstrom[outside[0]]).max()
    return [
        f"a shift of {first:g} A leads out of the image in {named_rows(outside)}: pixels taken "
        "for angstrom, or another pixel size?"
    ]
