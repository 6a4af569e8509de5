"""What a STAR file says of poses and contrast transfer, its images left alone.

Comparing poses or projecting a map needs no stack, which may be on another machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star import poses_of_table, read_star
from napari_cryoorient.io.star_text import StarFile
from napari_cryoorient.particles import CtfParameters, Integers, Poses

_IMAGE_NAME = "rlnImageName"
_ANGLE = "rlnAngleRot"
_PIXEL_ORIGIN, _ANGSTROM_ORIGIN = "rlnOriginX", "rlnOriginXAngst"


@dataclass(frozen=True)
class PoseTable:
    """Row i of the file: its image name, its pose and CTF where the file has them."""

    names: tuple[str, ...]
    poses: Poses | None
    ctf: CtfParameters | None
    notes: tuple[str, ...]

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
    notes: list[str] = []
    needs_pixel_size = _PIXEL_ORIGIN in table and _ANGSTROM_ORIGIN not in table
    pixel_size = table.pixel_size(pixel_size_angstrom, None, notes) if needs_pixel_size else 1.0
    poses = poses_of_table(table, pixel_size, notes)
    return PoseTable(tuple(table.image_names()), poses, table.ctf(notes), tuple(notes))


def _with_names(star: StarFile) -> StarFile:
    """Number the rows of a file that has angles and no image names."""
    if any(_IMAGE_NAME in block.table for block in star.blocks):
        return star
    blocks = tuple(
        replace(block, table=block.table.assign(**{_IMAGE_NAME: numbers}))
        if _ANGLE in block.table
        and (numbers := [f"{row + 1:06d}@" for row in range(len(block.table))])
        else block
        for block in star.blocks
    )
    return replace(star, blocks=blocks)


def match_rows(names: Sequence[str], reference_names: Sequence[str]) -> tuple[Integers, Integers]:
    """Pair particles of two files by image name: rows of the first, rows of the second.

    Numbers are compared as numbers. Where no name is in both files the stacks' folders are left
    aside, if that names every particle once. Pairs come in the order of the first file.

    Raises:
        InputError: for a name that a file has twice.

    """
    keys, reference_keys = [_key(name) for name in names], [_key(name) for name in reference_names]
    if not set(keys) & set(reference_keys):
        keys, reference_keys = _without_folders(keys), _without_folders(reference_keys)
    for each in (keys, reference_keys):
        if len(set(each)) < len(each):
            twice = next(key for key, count in Counter(each).items() if count > 1)
            raise InputError(
                f"Image {twice[0]} of {twice[1]} is listed twice in one file; particles cannot be "
                "paired by name."
            )
    row_of = {key: row for row, key in enumerate(reference_keys)}
    pairs = [(row, row_of[key]) for row, key in enumerate(keys) if key in row_of]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _key(name: str) -> tuple[int, str]:
    number, at, stack = name.partition("@")
    return (int(number), stack) if at and number.isdigit() else (0, name)


def _without_folders(keys: list[tuple[int, str]]) -> list[tuple[int, str]]:
    return [(number, PurePosixPath(stack).name) for number, stack in keys]
