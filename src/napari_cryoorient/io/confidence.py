"""The confidence a file states of each pose (rlnParticleFigureOfMerit): a probability."""

from __future__ import annotations

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.new_star import CONFIDENCE
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star_text import StarFile
from napari_cryoorient.particles import Floats

# What programs that print six digits may add to 1.
_ROUNDING = 1e-5


def stated_confidence(star: StarFile) -> Floats | None:
    """Return the confidences ``(n,)``, or None where a file has none, or no probabilities.

    Pickers keep scores of other kinds in that column.
    """
    table = ParticleTable(star)
    if CONFIDENCE not in table:
        return None
    try:
        values = table.floats(CONFIDENCE)
    except InputError:  # nothing depends on it
        return None
    return None if _outside(values).size else values.clip(0.0, 1.0)


def needed_confidence(star: StarFile, flag: str) -> Floats:
    """Return the confidences ``(n,)`` that a command line's ``flag`` needs.

    Raises InputError where they are missing or not from 0 to 1: one particle of 1e30 would
    outweigh all others.
    """
    table, of = ParticleTable(star), star.path or "the table"
    if CONFIDENCE not in table:
        raise InputError(
            f"There is no confidence (_{CONFIDENCE}) for {flag}: leave it out, or take poses that "
            f"search, refine or predict wrote, in {of}."
        )
    values = table.floats(CONFIDENCE)
    outside = _outside(values)
    if outside.size:
        raise InputError(
            f"Confidences lie from 0 to 1, and row {outside[0] + 1} has {values[outside[0]]:g} in "
            f"_{CONFIDENCE}, as the scores of pickers have: leave out {flag}, or take poses that "
            f"search, refine or predict wrote, in {of}."
        )
    return values.clip(0.0, 1.0)


def _outside(values: Floats) -> np.ndarray:
    return np.flatnonzero(~((values >= -_ROUNDING) & (values <= 1.0 + _ROUNDING)))
