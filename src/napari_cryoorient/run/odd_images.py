"""Images of a stack that are unlike the others: blank ones, hot pixels, other grey scales.

They spoil no statistics (``statistics``, ``batches``); here the user is told of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_cryoorient.batches import without_hot_pixels
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.ctf_values import named_rows
from napari_cryoorient.particles import Floats, Images, ImageSource, Integers, ParticleSet

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
    """Notes on odd images, rows of another scale's, and of those rows the ones beyond all sense."""

    notes: tuple[str, ...]
    unlike: Integers
    absurd: Integers


@dataclass(frozen=True)
class BlankedImages:
    """The images of another source, those of ``rows`` empty."""

    source: ImageSource
    rows: Integers

    @property
    def box(self) -> int:
        """Edge of the images in pixels."""
        return self.source.box

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size in angstrom."""
        return self.source.pixel_size_angstrom

    def __len__(self) -> int:
        return len(self.source)

    def read(self, indices: Integers) -> Images:
        """Read particles ``indices``."""
        images = self.source.read(indices)
        images[np.isin(indices, self.rows)] = 0.0
        return images


def find_odd_images(particles: ParticleSet) -> OddImages:
    """Look at every image, or at many of a large stack, and say which are odd: the first names.

    Raises InputError for a stack whose grey values no single precision holds the squares of.
    """
    rows, deviations, has_hot = _measured(particles)
    blank = deviations == 0.0
    notes = []
    if blank.any():
        notes.append(
            f"{_named(particles, rows[blank])}: one grey value throughout, which tells no pose"
        )
    if has_hot.any():
        notes.append(
            f"{_named(particles, rows[has_hot])}: single pixels far beyond all others, which are "
            "replaced by the image's median"
        )
    middle = float(np.median(deviations[~blank])) if not blank.all() else 1.0
    if not SENSE[0] < middle < SENSE[1]:
        raise InputError(
            f"The images' grey values spread by {middle:.2g}; scale them to about 1 first "
            "(relion_preprocess --operate_on --norm)."
        )
    unlike = ~blank & ((deviations > UNLIKE * middle) | (deviations < middle / UNLIKE))
    if unlike.any():
        notes.append(
            f"{_named(particles, rows[unlike])}: grey values over {UNLIKE:g} times as strong or as "
            "weak as those of most images; left out of spectra and reconstructions"
        )
    if notes and len(rows) < len(particles):
        notes.append(f"{len(rows)} of {len(particles)} images were looked at for odd ones")
    return OddImages(tuple(notes), rows[unlike], rows[deviations > ABSURD * middle])


def _measured(particles: ParticleSet) -> tuple[Integers, Floats, NDArray[np.bool_]]:
    """Return rows that were looked at, their standard deviations, and which have hot pixels."""
    pixels = particles.box**2
    n = min(len(particles), max(1, _MOST_PIXELS // pixels))
    rows = np.unique(np.linspace(0, len(particles) - 1, n).astype(np.int64))
    deviations, has_hot = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
    size = max(1, _CHUNK_PIXELS // pixels)
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        images = torch.from_numpy(particles.images.read(rows[part]))
        mended = without_hot_pixels(images)
        has_hot[part] = (mended != images).flatten(1).any(1).numpy()
        scale = mended.abs().amax().clamp_min(torch.finfo(mended.dtype).tiny)  # squares in range
        deviations[part] = ((mended / scale).std((1, 2)).double() * scale).numpy()
        is_blank = mended.amin((1, 2)) == mended.amax((1, 2))
        deviations[part][is_blank.numpy()] = 0.0
    return rows, deviations, has_hot


def _named(particles: ParticleSet, rows: Integers) -> str:
    """Name images by row and by the first image's name."""
    name = f", the first {particles.names[rows[0]]}" if particles.names else ""
    images = "image" if len(rows) == 1 else "images"
    return f"odd {images} in {named_rows(rows)}{name}"
