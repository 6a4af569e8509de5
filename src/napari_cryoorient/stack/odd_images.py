"""Images of a stack that are unlike the others: blank ones, hot pixels, other grey scales.

They spoil no statistics (``statistics``, ``batches``); here the user is told of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.ctf_values import named_rows
from napari_cryoorient.particles import (
    DerivedImages,
    Floats,
    Images,
    Integers,
    ParticleSet,
)
from napari_cryoorient.stack.batches import (
    LARGEST_GREY,
    are_computable,
    are_empty,
    may_have_hot_pixels,
    standard_deviations,
    without_hot_pixels,
)
from napari_cryoorient.stack.grey_scales import in_one_scale

# Larger stacks are looked at in part: 8 GB of float32.
_MOST_PIXELS = 1 << 31
_CHUNK_PIXELS = 1 << 22
# Standard deviations so many times that of most images, or less by as much, are another scale's.
UNLIKE = 10.0
# Beyond so many times, sums of squares are lost; such images count as empty.
ABSURD = 1e6
# Standard deviations of a stack whose squares single precision holds.
SENSE = 1e-12, 1e12


@dataclass(frozen=True)
class OddImages:
    """Notes on odd images, rows of another scale's, and the rows whose images are unusable.

    ``empty`` are those of one grey value, of values that are not finite, or beyond all sense.
    """

    notes: tuple[str, ...]
    unlike: Integers
    empty: Integers


@dataclass(frozen=True)
class _Measured:
    """What was seen of ``rows`` ``(k,)``: standard deviations without hot pixels, and oddities."""

    rows: Integers
    deviations: Floats
    has_hot: NDArray[np.bool_]
    is_computable: NDArray[np.bool_]
    is_empty: NDArray[np.bool_]


@dataclass(frozen=True)
class BlankedImages(DerivedImages):
    """The images of another source, those of ``rows`` empty."""

    rows: Integers

    def read(self, indices: Integers) -> Images:
        """Read particles ``indices``."""
        images = self.source.read(indices)
        images[np.isin(indices, self.rows)] = 0.0
        return images


def ready_images(particles: ParticleSet, name: str) -> tuple[ParticleSet, OddImages]:
    """Return particles in one grey scale, unusable images empty and marked, and what was odd.

    Its notes tell of the scales too.  Raises InputError as ``find_odd_images`` does.
    """
    particles, told = in_one_scale(particles)
    odd = find_odd_images(particles, name)
    if len(odd.empty):
        is_empty = np.isin(np.arange(len(particles)), odd.empty)
        blanked = BlankedImages(particles.images, odd.empty)
        particles = replace(particles, images=blanked, is_empty=is_empty)
    return particles, replace(odd, notes=(*told, *odd.notes))


def find_odd_images(particles: ParticleSet, name: str = "the stack") -> OddImages:
    """Look at every image, or at many of a large stack, and say which are odd: the first names.

    ``name`` is what messages call the stack.  Raises InputError for a stack none of whose images
    tells anything, or whose grey values no single precision holds the squares of.
    """
    seen = _measured(particles)
    rows, deviations, empty = seen.rows, seen.deviations, seen.is_empty
    blank = empty & seen.is_computable
    if empty.all():
        raise InputError(_why_none(len(rows), int(blank.sum()), name))
    notes = []
    if not seen.is_computable.all():
        named = _named(particles, rows[~seen.is_computable])
        notes.append(
            f"{named}: values, or a CTF, that are not finite numbers or too large to compute with; "
            "left out"
        )
    if blank.any():
        notes.append(
            f"{_named(particles, rows[blank])}: one grey value throughout, so it shows no pose; "
            "left out"
        )
    if seen.has_hot.any():
        notes.append(
            f"{_named(particles, rows[seen.has_hot])}: single pixels far beyond all others, which "
            "are replaced by the image's median"
        )
    middle = float(np.median(deviations[~empty]))
    if not SENSE[0] < middle < SENSE[1]:
        raise InputError(
            f"The images' grey values spread by {middle:.2g}; scale them to about 1 first "
            "(relion_preprocess --operate_on --norm)."
        )
    unlike = ~empty & ((deviations > UNLIKE * middle) | (deviations < middle / UNLIKE))
    if unlike.any():
        notes.append(
            f"{_named(particles, rows[unlike])}: grey values over {UNLIKE:g} times as strong or as "
            "weak as those of most images; left out of spectra and reconstructions"
        )
    if notes and len(rows) < len(particles):
        notes.append(f"{len(rows)} of {len(particles)} images were looked at for odd ones")
    absurd = deviations > ABSURD * middle
    return OddImages(tuple(notes), rows[unlike], rows[empty | absurd])


def left_out(particles: ParticleSet, rows: Integers) -> str:
    """Say that particles ``rows``, one at least, keep their poses, for their images tell none."""
    return (
        f"{_named(particles, rows)}: no pose can be found;  that of the file is kept (zero angles "
        "and shifts where it gives none), with a confidence of 0."
    )


def _why_none(n: int, n_blank: int, name: str) -> str:
    """Say that no image tells anything."""
    if n_blank == n:
        return (
            f"The images of {name} are blank ({n} were looked at, each of one grey value): extract "
            "the particles again."
        )
    also = f", {n_blank} are blank" if n_blank else ""
    return (
        f"No image of {name} can be used ({n} were looked at): {n - n_blank} hold values that are "
        f"not finite numbers, or too large to compute with{also}; scale them to about 1 "
        "(relion_preprocess --operate_on --norm), or extract the particles again."
    )


def _measured(particles: ParticleSet) -> _Measured:
    """Look at the images of a stack, at some of a large one."""
    pixels = particles.box**2
    n = min(len(particles), max(1, _MOST_PIXELS // pixels))
    rows = np.unique(np.linspace(0, len(particles) - 1, n).astype(np.int64))
    deviations = np.zeros(len(rows))
    has_hot, is_computable, is_empty = (np.zeros(len(rows), dtype=bool) for _ in range(3))
    size = max(1, _CHUNK_PIXELS // pixels)
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        images = torch.from_numpy(particles.images.read(rows[part]))
        fine = are_computable(images) & torch.from_numpy(_has_ctf(particles, rows[part]))
        if not bool(fine.all()):
            images = images.masked_fill(~fine[:, None, None], 0.0)
        spread, empty = _spread(images), are_empty(images)
        suspects = may_have_hot_pixels(images).nonzero().flatten()
        hot = torch.zeros_like(fine)
        if len(suspects):
            cleaned = without_hot_pixels(images[suspects])
            hot[suspects] = (cleaned != images[suspects]).flatten(1).any(1)
            spread[suspects], empty[suspects] = _spread(cleaned), are_empty(cleaned)
        is_computable[part], is_empty[part] = fine.numpy(), empty.numpy()
        has_hot[part], deviations[part] = hot.numpy(), spread.numpy()
    deviations[is_empty] = 0.0
    return _Measured(rows, deviations, has_hot, is_computable, is_empty)


def _spread(images: Tensor) -> Tensor:
    """Return the standard deviations ``(k,)`` of images, float64, squares kept in range."""
    scale = float(torch.maximum(images.amax(), -images.amin()))
    if 1e-10 < scale < 1e10:
        return standard_deviations(images).double()
    scale = max(scale, torch.finfo(images.dtype).tiny)
    return standard_deviations(images / scale).double() * scale


def _has_ctf(particles: ParticleSet, rows: Integers) -> NDArray[np.bool_]:
    """Tell which particles have a CTF that can be computed with, or none is known of any."""
    if particles.ctf is None:
        return np.ones(len(rows), dtype=bool)
    ctf = particles.ctf[rows]
    columns = [getattr(ctf, f.name) for f in fields(ctf)]
    columns = [c.reshape(len(rows), -1) for c in columns if c is not None]
    squared_corner = 0.5 / particles.pixel_size_angstrom**2  # of the highest frequency
    with np.errstate(all="ignore"):
        growth = np.log(np.abs(ctf.scale)) - ctf.b_factor_angstrom2 / 4 * squared_corner
    is_finite = np.isfinite(np.concatenate(columns, axis=1)).all(axis=1)
    return np.asarray(is_finite & (growth < math.log(LARGEST_GREY)))


def _named(particles: ParticleSet, rows: Integers) -> str:
    """Name images by row and by the first image's name."""
    name = f", the first {particles.names[rows[0]]}" if particles.names else ""
    images = "image" if len(rows) == 1 else "images"
    return f"odd {images} in {named_rows(rows)}{name}"
