"""The two dialects of particle STAR files, and the way from one to the other.

RELION 3.1 and later keep what all particles of an optics group share in a block ``data_optics``,
and origins in angstrom; RELION 3.0 and before repeat everything in every row of the one block,
with origins in pixels and the pixel size as detector pixel size and magnification.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star_text import StarBlock, StarFile, text_table
from napari_cryoorient.particles import Floats, Integers

Dialect = Literal["3.1", "3.0"]

_VERSION_31 = "30001"  # RELION's remark in files of 3.1
_GROUP, _GROUP_NAME = "rlnOpticsGroup", "rlnOpticsGroupName"
_PIXEL_SIZE, _IMAGE_SIZE = "rlnImagePixelSize", "rlnImageSize"
_DETECTOR, _MAGNIFICATION, _OLD_PIXEL_SIZE = (
    "rlnDetectorPixelSize",
    "rlnMagnification",
    "rlnPixelSize",
)
_DIMENSIONALITY = "rlnImageDimensionality"
_OPTICS_COLUMNS = {
    _GROUP_NAME,
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
    _PIXEL_SIZE,
    _IMAGE_SIZE,
    _DIMENSIONALITY,
    "rlnMicrographPixelSize",
    "rlnMicrographOriginalPixelSize",
    "rlnBeamTiltX",
    "rlnBeamTiltY",
    "rlnOddZernike",
    "rlnEvenZernike",
    "rlnMagMat00",
    "rlnMagMat01",
    "rlnMagMat10",
    "rlnMagMat11",
    "rlnMtfFileName",
    "rlnCtfDataAreCtfPremultiplied",
    "rlnCtfDataArePhaseFlipped",
    _DETECTOR,
    _MAGNIFICATION,
    _OLD_PIXEL_SIZE,
}
_ANGSTROM_OF_PIXELS = {
    "rlnOriginX": "rlnOriginXAngst",
    "rlnOriginY": "rlnOriginYAngst",
    "rlnOriginXPrior": "rlnOriginXPriorAngst",
    "rlnOriginYPrior": "rlnOriginYPriorAngst",
}
# At this magnification the detector pixel in micrometres has the number of the pixel in angstrom.
_PLAIN_MAGNIFICATION = 10_000


def dialect_of(star: StarFile) -> Dialect:
    """Tell which RELION a particle STAR was written for."""
    return "3.0" if star.block("optics") is None else "3.1"


def in_dialect(star: StarFile, dialect: Dialect, *, image_size: int | None = None) -> StarFile:
    """Return ``star`` as that RELION reads it: every row, and every column under its name there.

    ``image_size`` is the box in pixels for an optics block that lacks it.

    Raises:
        InputError: where origins have to change their unit and no pixel size is known.

    """
    if dialect == "3.1":
        return star if dialect_of(star) == "3.1" else _to_31(star, image_size)
    columns = set(particle_block(star).columns)
    is_old = dialect_of(star) == "3.0" and not columns & set(_ANGSTROM_OF_PIXELS.values())
    return star if is_old else _to_30(star)


def _to_31(star: StarFile, image_size: int | None) -> StarFile:
    """Move what groups share into ``data_optics``, and origins to angstrom."""
    block = particle_block(star)
    pixel_sizes = _pixel_sizes(star)
    rows = _renamed_origins(
        star,
        block.table,
        _ANGSTROM_OF_PIXELS,
        lambda pixels: pixels * _needed(pixel_sizes, star),
    )
    if pixel_sizes is not None and _PIXEL_SIZE not in rows:
        rows = rows.assign(**{_PIXEL_SIZE: _printed(pixel_sizes)})
    if image_size is not None and _IMAGE_SIZE not in rows:
        rows = rows.assign(**{_IMAGE_SIZE: str(image_size)})
    if _DIMENSIONALITY not in rows:
        rows = rows.assign(**{_DIMENSIONALITY: "2"})
    shared = [name for name in rows.columns if name in _OPTICS_COLUMNS]
    group_of = _groups(rows, shared)
    first = rows.assign(**{_GROUP: group_of}).drop_duplicates(_GROUP)
    first = first.sort_values(_GROUP, key=lambda numbers: numbers.astype(float))
    numbers = first[_GROUP].tolist()
    names = (
        first[_GROUP_NAME].tolist()
        if _GROUP_NAME in first
        else [f"opticsGroup{n}" for n in numbers]
    )
    optics = {_GROUP: numbers, _GROUP_NAME: names}
    optics |= {name: first[name].tolist() for name in shared if name != _GROUP_NAME}
    particles = rows.drop(columns=shared).assign(**{_GROUP: group_of})
    blocks = tuple(
        StarBlock("particles", particles) if old is block else old for old in star.blocks
    )
    return replace(
        star,
        blocks=(StarBlock("optics", text_table(optics)), *blocks),
        version=_VERSION_31,
    )


def _to_30(star: StarFile) -> StarFile:
    """Repeat the optics in every row, and put origins in pixels."""
    block, optics = particle_block(star), star.block("optics")
    pixel_sizes = _pixel_sizes(star)
    rows = _renamed_origins(
        star,
        block.table,
        {angstrom: pixels for pixels, angstrom in _ANGSTROM_OF_PIXELS.items()},
        lambda angstrom: angstrom / _needed(pixel_sizes, star),
    )
    if optics is not None:
        rows = rows.assign(**_repeated(optics.table, ParticleTable(star).optics_group, rows))
    if pixel_sizes is not None and not {_DETECTOR, _MAGNIFICATION} <= set(rows.columns):
        rows = rows.drop(columns=[n for n in (_DETECTOR, _MAGNIFICATION) if n in rows])
        rows = rows.assign(
            **{
                _DETECTOR: _printed(pixel_sizes),
                _MAGNIFICATION: f"{_PLAIN_MAGNIFICATION:.6f}",
            }
        )
    blocks = tuple(
        StarBlock("", rows) if old is block else old for old in star.blocks if old is not optics
    )
    return replace(star, blocks=blocks, version=None)


def _repeated(optics: pd.DataFrame, group_of: Integers, rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of the optics block, a token for each particle, that rows lack."""
    place = np.zeros(len(group_of), dtype=np.int64)
    if _GROUP in optics:
        row_of = {int(float(number)): row for row, number in enumerate(optics[_GROUP])}
        place = np.array([row_of[int(group)] for group in group_of], dtype=np.int64)
    names = [name for name in optics.columns if name not in rows]
    return {name: optics[name].to_numpy()[place].tolist() for name in names}


def _groups(rows: pd.DataFrame, shared: list[str]) -> list[str]:
    """Number the optics groups ``(n,)``: as the file does where that fits what particles share."""
    alike = rows.groupby(shared, sort=False).ngroup() if shared else pd.Series(0, index=rows.index)
    if _GROUP in rows and (alike.groupby(rows[_GROUP]).nunique() == 1).all():
        return [str(number) for number in rows[_GROUP]]
    return [str(number + 1) for number in alike]


def _renamed_origins(
    star: StarFile, rows: pd.DataFrame, names: dict[str, str], convert: Callable[[Floats], Floats]
) -> pd.DataFrame:
    """Give origins another name and unit where they stand; those there already are the truth."""
    table = ParticleTable(star)
    superfluous = [old for old, new in names.items() if old in rows and new in rows]
    rows = rows.drop(columns=superfluous)
    for old, new in names.items():
        if old in rows:
            rows = rows.assign(**{old: _printed(convert(table.floats(old)))})
            rows = rows.rename(columns={old: new})
    return rows


def _pixel_sizes(star: StarFile) -> Floats | None:
    """Return the pixel size ``(n,)`` in angstrom of each particle, which groups may differ in."""
    table = ParticleTable(star)
    if _PIXEL_SIZE in table:
        return table.floats(_PIXEL_SIZE)
    if _DETECTOR in table and _MAGNIFICATION in table:
        return table.floats(_DETECTOR) * _PLAIN_MAGNIFICATION / table.floats(_MAGNIFICATION)
    if _OLD_PIXEL_SIZE in table:
        return table.floats(_OLD_PIXEL_SIZE)
    known = star.native_pixel_size_angstrom
    return None if known is None else np.full(len(table), known)


def _needed(pixel_sizes: Floats | None, star: StarFile) -> Floats:
    if pixel_sizes is None:
        source = "The particles" if star.path is None else f"{star.path}"
        raise InputError(
            f"{source} names no pixel size, which origins need to change between pixels and "
            "angstrom; add a column _rlnImagePixelSize."
        )
    return pixel_sizes


def _printed(values: Floats) -> list[str]:
    # Adding 0 after rounding turns -0.000000 into 0.000000.
    return [f"{value:.6f}" for value in np.round(values, 6) + 0.0]
