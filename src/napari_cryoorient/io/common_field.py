"""Images of several boxes and pixel sizes, brought to one field of view as they are read.

Optics groups of two microscopes, or of two magnifications, then make one stack: its pixels are the
coarsest, and its field of view the smallest, so that nothing has to be made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.fourier_resize import rescaled
from napari_cryoorient.io.stacks import MrcStack, MrcStackCollection
from napari_cryoorient.particles import Floats, Images, Integers

PIXEL_TOLERANCE = 1e-3  # relative; pixel sizes closer than this count as one
_MOST_KINDS = 64  # of box and pixel size; a file with more has them wrong


@dataclass(frozen=True)
class CommonImages:
    """Images of several sources in one order, all resampled to ``box`` pixels of one size.

    Image i is image ``row_of[i]`` of ``parts[part_of[i]]``.
    """

    parts: tuple[MrcStackCollection, ...]
    part_of: Integers
    row_of: Integers
    box: int
    pixel_size_angstrom: float
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.part_of)

    def read(self, indices: Integers) -> Images:
        """Read images ``indices`` as ``(k, box, box)``."""
        wanted = np.atleast_1d(np.asarray(indices, dtype=np.int64))
        images = np.empty((len(wanted), self.box, self.box), dtype=np.float32)
        for number in np.unique(self.part_of[wanted]):
            part, rows = self.parts[number], np.flatnonzero(self.part_of[wanted] == number)
            sizes = (part.pixel_size_angstrom, self.pixel_size_angstrom)
            native = part.read(self.row_of[wanted[rows]])
            with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite stay so
                images[rows] = rescaled(native, self.box, sizes, 2)
        return images


def images_of_stacks(
    stacks: Sequence[MrcStack],
    stack_of: Integers,
    section_of: Integers,
    pixel_sizes_angstrom: Floats,
    *,
    box: int | None = None,
    factors: Floats | None = None,
) -> MrcStackCollection | CommonImages:
    """Take images from stacks in one order, each of its own pixel size ``(n,)``.

    ``box`` resamples them to as many pixels, over the same field of view. Raises InputError for
    more kinds of images than a data set can have.
    """
    boxes = np.array([stack.native_box for stack in stacks], dtype=np.int64)[stack_of]
    low, high = pixel_sizes_angstrom.min(), pixel_sizes_angstrom.max()
    if high / low - 1 <= PIXEL_TOLERANCE:
        pixel_sizes_angstrom = np.full(len(boxes), float(np.median(pixel_sizes_angstrom)))
    kinds, part_of = np.unique(
        np.stack([boxes, pixel_sizes_angstrom], axis=1), axis=0, return_inverse=True
    )
    part_of = part_of.ravel()
    if len(kinds) == 1:
        size = float(kinds[0, 1])
        return MrcStackCollection(stacks, stack_of, section_of, size, box=box, factors=factors)
    if len(kinds) > _MOST_KINDS:
        raise InputError(
            f"The particles are of {len(kinds)} boxes and pixel sizes, from {low:g} to {high:g} A "
            "a pixel; a data set has a few: check the STAR file."
        )
    parts, row_of = [], np.empty(len(boxes), dtype=np.int64)
    for number, (_, size) in enumerate(kinds):
        rows = np.flatnonzero(part_of == number)
        row_of[rows] = np.arange(len(rows))
        used, place = np.unique(stack_of[rows], return_inverse=True)
        parts.append(
            MrcStackCollection(
                [stacks[i] for i in used],
                place.ravel().astype(np.int64),
                section_of[rows],
                float(size),
                factors=None if factors is None else factors[rows],
            )
        )
    field = min(part.box * part.pixel_size_angstrom for part in parts)
    coarsest = float(kinds[:, 1].max())
    whole = 2 * int(field / coarsest / 2 + 1e-6)
    made = whole if box is None else box
    pixel_size = coarsest * whole / made
    told = ", ".join(f"{int(b)} pixels of {size:.4g} A" for b, size in kinds)
    notes = [f"images of {told} are brought to {made} pixels of {pixel_size:.4g} A"]
    notes += dict.fromkeys(note for part in parts for note in part.notes)
    return CommonImages(tuple(parts), part_of, row_of, made, pixel_size, tuple(notes))
