"""Open the stacks that image names lead to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.image_names import NO_NUMBER, split_image_names
from napari_cryoorient.io.locate import StackFinder
from napari_cryoorient.io.stacks import MrcStack
from napari_cryoorient.particles import Integers


def open_stacks(
    names: Sequence[str], finder: StackFinder, star_path: Path
) -> tuple[list[MrcStack], Integers, Integers]:
    """Return the stacks, which of them each image is in ``(n,)``, and its place there from 0.

    Raises:
        InputError: for a stack that is not found or cannot be read, a number it has not, or a
            missing number where it has several images.

    """
    numbers, file_of, files = split_image_names(names)
    stacks: list[MrcStack] = []
    place_of_path: dict[Path, int] = {}
    places = np.empty(len(files), dtype=np.int64)
    for i, file in enumerate(files):
        path = finder.find(file)
        if path not in place_of_path:
            place_of_path[path] = len(stacks)
            stacks.append(MrcStack(path))
        places[i] = place_of_path[path]
    stack_of = places[file_of]
    lengths = np.array([len(stack) for stack in stacks], dtype=np.int64)[stack_of]
    is_without = numbers == NO_NUMBER
    unclear = np.flatnonzero(is_without & (lengths > 1))
    if unclear.size:
        row = int(unclear[0])
        stack = stacks[int(stack_of[row])]
        raise InputError(
            f"{star_path}: row {row + 1} names no image of {stack.path}, which holds {len(stack)} "
            "images; its name should be like 000001@stack.mrcs (a tilt series, one stack for each "
            "particle, cannot be read)."
        )
    sections = np.where(is_without, 0, numbers - 1)
    beyond = np.flatnonzero((sections >= lengths) | (sections < 0))
    if beyond.size:
        row = int(beyond[0])
        stack = stacks[int(stack_of[row])]
        raise InputError(
            f"{star_path}: row {row + 1} asks for image {numbers[row]} of {stack.path}, which "
            f"holds images 1 to {len(stack)}."
        )
    return stacks, stack_of, sections
