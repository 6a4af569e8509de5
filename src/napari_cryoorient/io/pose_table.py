"""What a STAR file says of poses and contrast transfer, its images left alone.

Comparing poses or projecting a map needs no stack, which may be on another machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.aberrations import Lenses, lenses_of_table
from napari_cryoorient.io.common_field import PIXEL_TOLERANCE
from napari_cryoorient.io.cryosparc import notes_of_cs
from napari_cryoorient.io.image_names import image_name, match_rows
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star import poses_of_table, read_star
from napari_cryoorient.io.star_text import StarFile
from napari_cryoorient.particles import CtfParameters, Floats, Integers, PackedNames, Poses

__all__ = ["PoseTable", "match_rows", "read_pose_table"]

_IMAGE_NAME = "rlnImageName"
_ANGLE = "rlnAngleRot"
_PIXEL_ORIGIN, _ANGSTROM_ORIGIN = "rlnOriginX", "rlnOriginXAngst"


@dataclass(frozen=True)
class PoseTable:
    """Row i of the file: its image name, its pose and CTF where the file has them.

    Shifts are where objects lie in the images on disk, whose ``lenses`` may not be ideal.
    """

    names: Sequence[str]
    poses: Poses | None
    ctf: CtfParameters | None
    notes: tuple[str, ...]
    lenses: Lenses | None = None
    pixel_sizes_angstrom: Floats | None = None
    """``(n,)``, where the file names them."""

    def why_not(self, what: str) -> str:
        """Return the note on why there are no ``what``, "poses" or "CTF"."""
        return next(note for note in self.notes if note.startswith(f"no {what}"))


def read_pose_table(path: Path | str, *, pixel_size_angstrom: float | None = None) -> PoseTable:
    """Read poses and CTF of a STAR file; a file with poses alone, without image names, will do.

    ``pixel_size_angstrom`` is for origins in pixels where the file does not say how large they are.

    Raises:
        InputError: for what is not a particle STAR file.

    """
    star = _with_names(read_star(path))
    table = ParticleTable(star)
    notes = [*([] if star.cs is None else notes_of_cs(star.cs)), *table.notes]
    needs_pixel_size = _PIXEL_ORIGIN in table and _ANGSTROM_ORIGIN not in table
    sizes = None
    if needs_pixel_size:
        sizes = table.pixel_sizes(pixel_size_angstrom, None, notes)
    elif table.names_pixel_size:
        try:
            sizes = table.pixel_sizes(None, None, notes)
        except InputError as error:  # poses can be compared all the same
            notes.append(str(error).rstrip("."))
    poses = poses_of_table(table, 1.0 if sizes is None else sizes, notes)
    try:
        ctf = table.ctf(notes)
    except InputError as error:  # poses can be compared all the same
        ctf = None
        notes.append(f"no CTF: {error}".rstrip("."))
    names = table.image_names()
    return PoseTable(
        names if isinstance(names, PackedNames) else tuple(names),
        poses,
        ctf,
        tuple(notes),
        lenses_of_table(table),
        sizes,
    )


def other_pixel_sizes(
    sizes: Floats | None, true_sizes: Floats | None, rows: Integers, true_rows: Integers
) -> str | None:
    """Return what to say where two files differ in the pixel sizes of the particles they share."""
    if sizes is None or true_sizes is None:
        return None
    one, other = sizes[rows], true_sizes[true_rows]
    differing = np.flatnonzero(np.abs(one / other - 1) > PIXEL_TOLERANCE)
    if not differing.size:
        return None
    first = differing[0]
    return (
        f"the pixel sizes of {differing.size} of {len(rows)} particles differ, as {one[first]:g} "
        f"and {other[first]:g} A do"
    )


def _with_names(star: StarFile) -> StarFile:
    """Number the rows of a file that has angles and no image names."""
    if any(_IMAGE_NAME in block.columns for block in star.blocks):
        return star
    blocks = tuple(
        block.with_table(block.table.assign(**{_IMAGE_NAME: numbers}))
        if _ANGLE in block.columns
        and (numbers := [image_name(row + 1, "") for row in range(block.n_rows)])
        else block
        for block in star.blocks
    )
    return replace(star, blocks=blocks)
