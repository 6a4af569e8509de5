"""Optics groups whose images are in grey scales of their own, brought to one.

Stacks that were joined may have been normalised each in its own way, or not at all.  An image's
level of noise is told from the image itself, and how strong its particle is to within the spread of
the stack; neither reaches ten times as far.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from napari_cryoorient.particles import (
    DerivedImages,
    Floats,
    Images,
    Integers,
    ParticleSet,
    counted,
)
from napari_cryoorient.stack.batches import emptied, standard_deviations, without_hot_pixels

# Groups further apart than this, as a ratio, have scales of their own.
APART = 1.25
# Images that show the scale of a group.
N_IMAGES = 32


@dataclass(frozen=True)
class ScaledImages(DerivedImages):
    """The images of another source, each times its factor ``(n,)``."""

    factors: Images

    def read(self, indices: Integers) -> Images:
        """Read images ``indices`` in their new scale."""
        return self.source.read(indices) * self.factors[indices, None, None]


def in_one_scale(particles: ParticleSet) -> ParticleSet:
    """Return particles whose optics groups are in the grey scale of the largest; a note says so.

    A group's scale is the median standard deviation of its images, which noise outweighs.
    """
    groups, member, sizes = np.unique(
        particles.optics_group, return_inverse=True, return_counts=True
    )
    if len(groups) < 2:
        return particles
    scales = np.array([_scale(particles, member == i) for i in range(len(groups))])
    largest = scales[np.argmax(np.where(scales > 0, sizes, 0))]
    ratio = np.where(scales > 0, scales / max(largest, np.finfo(float).tiny), 1.0)
    is_apart = np.maximum(ratio, 1 / ratio) > APART
    if not is_apart.any():
        return particles
    factors = np.where(is_apart, 1 / ratio, 1.0)[member.ravel()].astype(np.float32)
    listed = [f"{groups[i]} by {1 / ratio[i]:.3g}" for i in np.flatnonzero(is_apart)]
    others = f" and {counted(len(listed) - 3, 'other')}" if len(listed) > 3 else ""
    note = (
        "grey values of optics groups are brought to one scale, that of the largest: group "
        f"{', '.join(listed[:3])}{others}"
    )
    images = ScaledImages(particles.images, factors)
    return replace(particles, images=images, notes=(*particles.notes, note))


def _scale(particles: ParticleSet, is_member: np.ndarray) -> float:
    """Return the median standard deviation of a group's images, 0 where none tells anything."""
    rows = np.flatnonzero(is_member)
    some = rows[np.unique(np.linspace(0, len(rows) - 1, N_IMAGES).astype(np.int64))]
    images = without_hot_pixels(emptied(torch.from_numpy(particles.images.read(some))))
    deviations: Floats = standard_deviations(images).double().numpy()
    seen = deviations[np.isfinite(deviations) & (deviations > 0)]
    return float(np.median(seen)) if len(seen) else 0.0
