"""Poses with what tells particles apart, read from files without images; some rows written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cryoorient.diagnosis.comparison import Groups
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.aberrations import lenses_of_table
from napari_cryoorient.io.confidence import stated_confidence
from napari_cryoorient.io.cryosparc import notes_of_cs
from napari_cryoorient.io.cs_file import SUFFIX, write_cs
from napari_cryoorient.io.image_names import split_image_names
from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star import poses_of_table, read_star, refuse_kind
from napari_cryoorient.io.star_text import StarBlock, StarFile, write_star
from napari_cryoorient.particles import Floats, Integers, Poses
from napari_cryoorient.tasks.pairs import NamedPoses

MICROGRAPH = "rlnMicrographName"
_COORDINATES = "rlnCoordinateX", "rlnCoordinateY"
_CS_PLACE = "location/center_x_frac", "location/center_y_frac", "location/micrograph_shape"
_PIXEL_ORIGIN, _ANGSTROM_ORIGIN = "rlnOriginX", "rlnOriginXAngst"


@dataclass(frozen=True, eq=False)
class PoseFile:
    """Poses of a STAR or ``.cs`` file; shifts are where objects lie in the images on disk.

    ``micrographs`` tells which each particle is of, None where the file does not; ``star`` is kept
    where rows are to be written again.
    """

    path: Path
    names: Sequence[str]
    poses: Poses
    micrographs: Groups | None
    confidence: Floats | None
    notes: tuple[str, ...]
    star: StarFile | None

    @property
    def named(self) -> NamedPoses:
        """The poses, to be paired with others."""
        return NamedPoses(self.poses, self.names, str(self.path))

    def notes_on_poses(self) -> tuple[str, ...]:
        """Return the notes that matter where no image is looked at."""
        return tuple(note for note in self.notes if not note.startswith("no CTF"))


def read_poses(
    path: Path | str, *, pixel_size_angstrom: float | None = None, keep_star: bool = False
) -> PoseFile:
    """Read the poses of every particle; raises InputError where the file has none.

    ``pixel_size_angstrom`` is for origins in pixels where the file does not say how large they are.
    ``keep_star`` keeps all columns, which are most of the memory.
    """
    star = read_star(path)
    table = ParticleTable(star)
    notes = [*([] if star.cs is None else notes_of_cs(star.cs)), *table.notes]
    in_pixels = _PIXEL_ORIGIN in table and _ANGSTROM_ORIGIN not in table
    sizes = table.pixel_sizes(pixel_size_angstrom, None, notes) if in_pixels else 1.0
    poses = poses_of_table(table, sizes, notes, lenses_of_table(table))
    if poses is None:
        why = next(note for note in notes if note.startswith("no poses"))
        raise InputError(f"There are no poses to judge in {path}: {why}.")
    names = table.image_names()
    return PoseFile(
        Path(path),
        names,
        poses,
        micrographs_of(table),
        stated_confidence(star),
        tuple(notes),
        star if keep_star else None,
    )


def micrographs_of(table: ParticleTable) -> Groups | None:
    """Return the micrograph of each particle.

    Where no column names it, the stack does, if there are several: one a micrograph, as RELION
    extracts them.  None otherwise.
    """
    if MICROGRAPH in table:
        codes, names = pd.factorize(np.asarray(table.texts(MICROGRAPH), dtype=object))
        return Groups(tuple(names.tolist()), codes.astype(np.int64))
    _, stack_of, stacks = split_image_names(table.image_names())
    return Groups(tuple(stacks), stack_of) if len(stacks) > 1 else None


def coordinates_of(star: StarFile) -> Floats | None:
    """Return where each particle lies in its micrograph ``(n, 2)``, x and y in its pixels.

    None where the file does not tell.
    """
    if star.cs is not None:
        if not all(name in star.cs for name in _CS_PLACE):
            return None
        x, y, shape = (np.asarray(star.cs[name], dtype=np.float64) for name in _CS_PLACE)
        return np.stack([x * shape[:, 1], y * shape[:, 0]], axis=1)
    table = ParticleTable(star)
    if not all(name in table for name in _COORDINATES):
        return None
    return np.stack([table.floats(name) for name in _COORDINATES], axis=1)


def write_rows(a: PoseFile, rows: Integers, path: Path, why_none: str) -> int:
    """Write some rows of a file, letter by letter as they are; return how many.

    A ``path`` that ends in ``.cs`` is written as one.  Raises InputError for no row.
    """
    if not len(rows):
        raise InputError(f"{why_none}; {path} was not written.")
    star = a.star
    if star is None:
        raise ValueError("the columns of this file were not kept")
    if path.suffix.lower() == SUFFIX:
        refuse_kind(a.path, path)
        assert star.cs is not None
        write_cs(star.cs.records[rows], path, star.cs)
        return len(rows)
    block = particle_block(star)
    table = block.table.iloc[rows].reset_index(drop=True)
    write_star(star.with_block(StarBlock(block.name, table, block.is_loop, block.line)), path)
    return len(rows)
