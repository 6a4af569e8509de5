"""A STAR file for a stack that came without one: image names and pixel size, no poses, no CTF."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Poses

STACK_SUFFIXES = (".mrcs", ".st")
FOLDER = "cryoorient"
HEAD_BYTES = 2**20  # of a STAR file, far enough to see which stack it names


def is_stack(path: Path) -> bool:
    """Tell by its name whether a file is a stack of images."""
    return path.suffix.lower() in STACK_SUFFIXES


def star_of_stack(stack_path: Path) -> tuple[Path, str]:
    """Return the STAR file to use for a stack, and a note on where it comes from.

    That of the same name beside the stack is taken if it names the stack's images, else one is
    written into the folder ``cryoorient`` beside it.

    Raises:
        InputError: for what is no stack, one whose header has no pixel size, or a folder that
            cannot be written.

    """
    from napari_cryoorient.io.new_star import ANGLES, ORIGINS_ANGSTROM, new_particle_star
    from napari_cryoorient.io.particle_block import particle_block
    from napari_cryoorient.io.stacks import MrcStack
    from napari_cryoorient.io.star import write_star

    beside = stack_path.with_suffix(".star")
    if beside.is_file() and _names(beside, stack_path):
        return beside, f"{beside.name} beside the stack describes its images"
    stack = MrcStack(stack_path)
    pixel_size = stack.header_pixel_size_angstrom
    if not pixel_size:
        raise InputError(
            f"The header of {stack_path} has no pixel size and there is no STAR file for it: "
            "choose a STAR file that says how large its pixels are."
        )
    n = len(stack)
    poses = Poses(np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2)))
    star = new_particle_star(
        stack_path.name, poses, box=stack.native_box, pixel_size_angstrom=pixel_size
    )
    block = particle_block(star)
    bare = block.table.drop(columns=[*ANGLES, *ORIGINS_ANGSTROM])
    path = stack_path.parent / FOLDER / beside.name
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent} cannot be made: {error.strerror}.") from error
    write_star(star.with_block(block.with_table(bare)), path)
    return path, f"{path} was written for the stack: it names its images, without poses and CTF"


def _names(star_path: Path, stack_path: Path) -> bool:
    """Tell whether a STAR file is one of this stack's particles."""
    with star_path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return any(f"{mark}{stack_path.name}".encode() in head for mark in "@/")
