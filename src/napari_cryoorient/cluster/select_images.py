"""Some images of a source by themselves, small enough to be sent to another process."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

import numpy as np

from napari_cryoorient.io.aberrations import CorrectedImages
from napari_cryoorient.io.common_field import CommonImages
from napari_cryoorient.io.stacks import MrcStackCollection
from napari_cryoorient.particles import (
    ArrayImages,
    ImageSource,
    Integers,
    NegatedImages,
    ParticleSet,
    SubsetImages,
)
from napari_cryoorient.stack.grey_scales import ScaledImages
from napari_cryoorient.stack.odd_images import BlankedImages


def arrays_of(particles: ParticleSet, rows: Integers) -> ParticleSet:
    """Return particles ``rows`` with what work on them needs, and none of their text."""
    chosen = replace(particles, names=(), notes=(), file=None).subset(rows)
    return replace(chosen, images=select_images(particles.images, rows), file_rows=None)


@singledispatch
def select_images(source: ImageSource, rows: Integers) -> ImageSource:
    """Return images ``rows`` of a source, without what it holds for the others."""
    return SubsetImages(source, rows)


@select_images.register
def _(source: ArrayImages, rows: Integers) -> ImageSource:
    return replace(source, images=source.images[rows])


@select_images.register
def _(source: SubsetImages, rows: Integers) -> ImageSource:
    return select_images(source.source, source.rows[rows])


@select_images.register
def _(source: NegatedImages, rows: Integers) -> ImageSource:
    return NegatedImages(select_images(source.source, rows))


@select_images.register
def _(source: ScaledImages, rows: Integers) -> ImageSource:
    return ScaledImages(select_images(source.source, rows), source.factors[rows])


@select_images.register
def _(source: BlankedImages, rows: Integers) -> ImageSource:
    return BlankedImages(
        select_images(source.source, rows), np.flatnonzero(np.isin(rows, source.rows))
    )


@select_images.register
def _(source: CorrectedImages, rows: Integers) -> ImageSource:
    return replace(source, source=select_images(source.source, rows), lens_of=source.lens_of[rows])


@select_images.register
def _(source: MrcStackCollection, rows: Integers) -> ImageSource:
    return source.taken(rows)


@select_images.register
def _(source: CommonImages, rows: Integers) -> ImageSource:
    parts, part_of = [], source.part_of[rows]
    row_of = np.empty(len(rows), dtype=np.int64)
    numbers = np.unique(part_of)
    for number in numbers:
        here = np.flatnonzero(part_of == number)
        parts.append(source.parts[number].taken(source.row_of[rows[here]]))
        row_of[here] = np.arange(len(here))
    places = np.searchsorted(numbers, part_of)
    return replace(source, parts=tuple(parts), part_of=places, row_of=row_of)
