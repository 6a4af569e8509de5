"""Names of images, as STAR files spell them, and which names of two files are one image.

``000003@Extract/mic.mrcs`` is image 3 of a stack: the first ``@`` after digits parts the two, as in
RELION. A name without a number is that of a file with one image. ``:mrcs`` or ``:mrc`` at the end,
which tells RELION the format, is no part of the file's name.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Integers

NO_NUMBER = -1
_MOST_DIGITS = 18  # what int64 holds; no stack has so many images
_FORMAT = re.compile(r":mrcs?$", re.IGNORECASE)
_STACK_ENDING = re.compile(r"\.mrcs?$", re.IGNORECASE)

Key = tuple[int, str]


def image_name(number: int, stack: str) -> str:
    """Spell the name of image ``number`` (from 1) of a stack."""
    return f"{number:06d}@{stack}"


def split_image_name(name: str) -> tuple[int, str]:
    """Return the number, from 1 or ``NO_NUMBER``, and the path of the stack."""
    number, stack = _split(name)
    return number, _FORMAT.sub("", stack)


def stack_name(name: str) -> str:
    """Return the path of the stack that an image name names."""
    return split_image_name(name)[1]


def split_image_names(names: Sequence[str]) -> tuple[Integers, Integers, list[str]]:
    """Return numbers ``(n,)``, which stack each is of ``(n,)``, and the stacks' paths."""
    numbers = np.empty(len(names), dtype=np.int64)
    spelling_of = np.empty(len(names), dtype=np.int64)
    place_of: dict[str, int] = {}
    for row, name in enumerate(names):
        numbers[row], stack = _split(name)
        spelling_of[row] = place_of.setdefault(stack, len(place_of))
    stacks: dict[str, int] = {}
    places = [stacks.setdefault(_FORMAT.sub("", spelling), len(stacks)) for spelling in place_of]
    return numbers, np.array(places, dtype=np.int64)[spelling_of], list(stacks)


def other_ending(stack: str) -> str | None:
    """Return a stack's name with ``.mrcs`` for ``.mrc`` or the other way; None for other names."""
    found = _STACK_ENDING.search(stack)
    if found is None:
        return None
    return stack + "s" if found[0].lower() == ".mrc" else stack[:-1]


def match_rows(names: Sequence[str], reference_names: Sequence[str]) -> tuple[Integers, Integers]:
    """Pair images of two files by name: rows of the first, rows of the second.

    Numbers are compared as numbers, and a file with one image is its image 1. Where no name is in
    both files the difference of ``.mrc`` and ``.mrcs`` is left aside, then the stacks' folders,
    then both, if that still names every image once. Pairs come in the order of the first file.

    Raises:
        InputError: for a name that a file has twice.

    """
    keys, reference_keys = [_key(name) for name in names], [_key(name) for name in reference_names]
    looser: tuple[Callable[[str], str], ...] = (
        lambda stack: stack,
        _without_ending,
        posixpath.basename,
        lambda stack: posixpath.basename(_without_ending(stack)),
    )
    for simpler in looser:
        simple = [(number, simpler(stack)) for number, stack in keys]
        reference = [(number, simpler(stack)) for number, stack in reference_keys]
        if not set(simple).isdisjoint(reference):
            break
    for each, whole in ((simple, keys), (reference, reference_keys)):
        if len(set(each)) < len(each):
            raise InputError(_twice(each, whole))
    row_of = {key: row for row, key in enumerate(reference)}
    pairs = [(row, row_of[key]) for row, key in enumerate(simple) if key in row_of]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _twice(keys: list[Key], whole: list[Key]) -> str:
    number, stack = next(key for key, count in Counter(keys).items() if count > 1)
    stacks = {name for (_, name), key in zip(whole, keys, strict=True) if key == (number, stack)}
    if len(stacks) > 1:
        first, second = sorted(stacks)[:2]
        return (
            f"Image {number} of {stack} may be that of {first} or of {second}; particles cannot be "
            "paired by name."
        )
    return (
        f"Image {number} of {stack} is listed twice in one file; particles cannot be paired by "
        "name."
    )


def _split(name: str) -> tuple[int, str]:
    number, at, stack = name.partition("@")
    if at and number.isdigit() and number.isascii():
        return (int(number) if len(number) <= _MOST_DIGITS else 10**_MOST_DIGITS), stack
    return NO_NUMBER, name


def _key(name: str) -> Key:
    number, stack = split_image_name(name)
    return (1 if number == NO_NUMBER else number), posixpath.normpath(stack) if stack else stack


def _without_ending(stack: str) -> str:
    return _STACK_ENDING.sub("", stack)
