"""Optics groups whose images are in grey scales of their own, brought to one.

Stacks that were joined may have been normalised each in its own way, or not at all.  An image's
level of noise is told from the image itself, and how strong its particle is to within the spread of
the stack; both hold three times apart, and neither ten times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.particles import (
    DerivedImages,
    Floats,
    Images,
    Integers,
    ParticleSet,
    counted,
)
from napari_cryoorient.stack.batches import emptied, outside_disc, without_hot_pixels

# Groups whose noise is further apart than this, as a ratio, have scales of their own.
APART = 3.0
# Images that show the noise of a group: at the most, of all groups together, and the fewest of one.
# A group of fewer than the last is left as it is, since one odd image would be its scale.
MOST_IMAGES, MOST_OF_ALL, FEWEST_IMAGES, FEWEST_MEMBERS = 32, 2048, 4, 8
# A quarter of a group's images may be odd in either way, and more of them too strong.
QUANTILE = 0.25
# Corners with less than this part of an image's deviation were masked.
EMPTY = 0.1


@dataclass(frozen=True)
class ScaledImages(DerivedImages):
    """The images of another source, each times its factor ``(n,)``."""

    factors: Images

    def read(self, indices: Integers) -> Images:
        """Read images ``indices`` in their new scale."""
        return self.source.read(indices) * self.factors[indices, None, None]


def in_one_scale(particles: ParticleSet) -> tuple[ParticleSet, tuple[str, ...]]:
    """Return particles, the noise of optics groups that differ widely brought to the largest's.

    Second, a note that says so, if they did.  The noise is that of the images' corners, or, where
    those of a group are masked, of neighbouring pixels.
    """
    groups, member, sizes = np.unique(
        particles.optics_group, return_inverse=True, return_counts=True
    )
    if len(groups) < 2:
        return particles, ()
    noise = _noise_of_groups(particles, member.ravel(), sizes)
    is_known = noise > 0
    if not is_known.any():
        return particles, ()
    largest = noise[np.argmax(np.where(is_known, sizes, 0))]
    ratio = np.where(is_known, noise, largest) / largest
    is_apart = np.maximum(ratio, 1 / ratio) > APART
    if not is_apart.any():
        return particles, ()
    factors = np.where(is_apart, 1 / ratio, 1.0)[member.ravel()].astype(np.float32)
    listed = [f"{groups[i]} times {1 / ratio[i]:.3g}" for i in np.flatnonzero(is_apart)]
    others = f" and {counted(len(listed) - 3, 'other')}" if len(listed) > 3 else ""
    note = (
        "the noise of optics groups differs widely: their grey values are brought to the scale of "
        f"the largest as they are read, group {', '.join(listed[:3])}{others}"
    )
    return replace(particles, images=ScaledImages(particles.images, factors)), (note,)


def _noise_of_groups(particles: ParticleSet, member: Integers, sizes: Integers) -> Floats:
    """Return the deviation of each group's noise, 0 where it cannot be told."""
    n_each = int(np.clip(MOST_OF_ALL // len(sizes), FEWEST_IMAGES, MOST_IMAGES))
    rows_of = np.split(np.argsort(member, kind="stable"), np.cumsum(sizes)[:-1])
    in_corners, beside = (np.zeros(len(sizes)) for _ in range(2))
    is_masked = np.zeros(len(sizes), dtype=bool)
    for i, rows in enumerate(rows_of):
        if len(rows) < FEWEST_MEMBERS:
            continue
        some = rows[np.unique(np.linspace(0, len(rows) - 1, n_each).astype(np.int64))]
        images = without_hot_pixels(emptied(torch.from_numpy(particles.images.read(some))))
        corners = images[:, outside_disc(particles.box)]
        in_corners[i], beside[i] = _typical(corners.std(1)), _typical(_of_neighbours(images))
        is_masked[i] = in_corners[i] < EMPTY * _typical(images.flatten(1).std(1))
    return beside if is_masked.any() else in_corners


def _of_neighbours(images: Tensor) -> Tensor:
    """Return how much neighbours differ in the middle of images (k, N, N): their deviation."""
    n = images.shape[-1]
    middle = images[:, n // 4 : n - n // 4, n // 4 : n - n // 4]
    return middle.diff(dim=2).flatten(1).std(1) / 2**0.5


def _typical(deviations: Tensor) -> float:
    """Return a low one of deviations ``(k,)``, 0 where none tells anything."""
    seen = deviations[deviations.isfinite() & (deviations > 0)].double()
    return float(seen.quantile(QUANTILE)) if len(seen) else 0.0
