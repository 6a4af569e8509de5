"""Particle STAR files from columns of values, such as a layer's features hold.

Columns are called as RELION calls them, with or without the underscore before ``rln``; others are
left out. A value that equals what the file has already leaves its spelling alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.star_text import StarBlock, StarFile, quoted, text_table, unquoted
from napari_cryoorient.particles import Integers

IMAGE_NAME = "rlnImageName"
NEEDED = (IMAGE_NAME, "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
ROW = "row"  # the particle's row in the file it came from, from 0
_PREFIX = "rln"


def star_of_columns(columns: pd.DataFrame, what: str) -> StarFile:
    """Make a particle STAR of columns ``(n rows)``; ``what`` names their origin to the user.

    Raises:
        InputError: for no rows, a missing name or angle, or a value no STAR file can hold.

    """
    named = _relion_columns(columns)
    missing = [name for name in NEEDED if name not in named]
    if missing:
        raise InputError(
            f"{what} has no poses to write: it comes from no STAR file, and its features lack "
            f"{', '.join(missing)}."
        )
    if not len(named):
        raise InputError(f"{what} has no particles: nothing was written.")
    tokens = {name: _tokens(named[name], name, what) for name in named}
    return StarFile((StarBlock("", text_table(tokens)),))


def with_columns(star: StarFile, columns: pd.DataFrame, what: str) -> StarFile:
    """Return the rows of ``star`` that ``columns`` tell of, with the values these have.

    Rows are told by the column ``row``, else by image name, else all are meant. Rows, columns and
    blocks that nobody changed stay as the file spells them.

    Raises:
        InputError: where the rows cannot be told, or for a value no STAR file can hold.

    """
    block = particle_block(star)
    rows = _rows_of(block.table, columns, what)
    if not len(rows):
        raise InputError(f"{what} has no particles: nothing was written.")
    table = block.table.iloc[rows].reset_index(drop=True)
    changed: dict[str, list[str]] = {}
    named = _relion_columns(columns)
    for name in named:
        new = _tokens(named[name], name, what)
        if name not in table:
            changed[name] = new
            continue
        old = table[name].tolist()
        merged = [was if _is_same(was, now) else now for was, now in zip(old, new, strict=True)]
        if merged != old:
            changed[name] = merged
    return star.with_block(block.with_table(table.assign(**changed)))


def columns_of(star: StarFile) -> pd.DataFrame:
    """Return the columns of the particles as values: numbers where all are, and the ``row``."""
    table = particle_block(star).table
    columns: dict[str, Any] = {ROW: np.arange(len(table))}
    for name in table:
        numbers = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
        is_number = len(numbers) > 0 and bool(np.isfinite(numbers).all())
        columns[str(name)] = numbers if is_number else [unquoted(str(v)) for v in table[name]]
    return pd.DataFrame(columns)


def _relion_columns(columns: pd.DataFrame) -> pd.DataFrame:
    names = {name: str(name).removeprefix("_") for name in columns.columns}
    return columns.rename(columns=names)[[n for n in names.values() if n.startswith(_PREFIX)]]


def _rows_of(table: pd.DataFrame, columns: pd.DataFrame, what: str) -> Integers:
    if ROW in columns:
        rows = pd.to_numeric(columns[ROW], errors="coerce").to_numpy(np.float64)
        is_good = np.isfinite(rows) & (rows >= 0) & (rows < len(table)) & (rows == np.rint(rows))
        if not is_good.all():
            raise InputError(
                f"{what} has the row {columns[ROW].iloc[int(np.argmin(is_good))]} in its features, "
                f"and its STAR file has rows 0 to {len(table) - 1}."
            )
        return np.asarray(rows, dtype=np.int64)
    named = _relion_columns(columns)
    if IMAGE_NAME in named:
        row_of = {unquoted(str(name)): row for row, name in enumerate(table[IMAGE_NAME])}
        wanted = [str(name) for name in named[IMAGE_NAME]]
        unknown = [name for name in wanted if name not in row_of]
        if unknown:
            raise InputError(f"{what} names the image {unknown[0]}, which its STAR file lacks.")
        return np.array([row_of[name] for name in wanted], dtype=np.int64)
    if columns.shape[1] == 0 or len(columns) == len(table):
        return np.arange(len(table))
    raise InputError(
        f"{what} has {len(columns)} points for {len(table)} rows of its STAR file, and neither a "
        "feature row nor rlnImageName to say which is which."
    )


def _tokens(values: pd.Series, name: str, what: str) -> list[str]:
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_integer_dtype(values):
        return [str(int(value)) for value in values]
    if pd.api.types.is_float_dtype(values):
        numbers = values.to_numpy(np.float64)
        bad = np.flatnonzero(~np.isfinite(numbers))
        if bad.size:
            raise InputError(f"{what}: particle {bad[0] + 1} has no number for {name}.")
        # Adding 0 after rounding turns -0.000000 into 0.000000.
        return [f"{value:.6f}" for value in np.round(numbers, 6) + 0.0]
    texts = [str(value) for value in values]
    if any("'" in text and '"' in text for text in texts) or any("\n" in text for text in texts):
        raise InputError(f"{what}: {name} holds text that a STAR file cannot.")
    return [quoted(text) for text in texts]


def _is_same(was: str, now: str) -> bool:
    """Tell whether two spellings mean the same: to the six decimals that are written."""
    if was == now or unquoted(was) == unquoted(now):
        return True
    try:
        return abs(float(was) - float(now)) <= 0.5000001e-6
    except ValueError:
        return False
