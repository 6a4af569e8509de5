"""Noise that fills a reference's box around its molecule, taken off beyond a sphere.

A slice of a map's transform is interpolated, and what lies far from the middle of the box is
carried into it from the other side: noise in the corners of a map does more harm than noise beside
the molecule.  A sphere about all that stands out of the noise cuts off no part of a molecule; a
mask of its shape would have to guess which weak density belongs to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from napari_cryoorient.particles import DensityMap, Floats, Images, median_of_faces

# Noise is looked for beyond the sphere that touches the box's faces; it matters where it has this
# part of the deviation of the densest shell.
NOISY = 0.05
# A shell holds more than noise where its deviation is so many times the noise's, or one of its
# voxels is so many deviations away.
MORE, FAR = 1.15, 6.0
# The noise is Gaussian where its deviation is that of its median size, within this factor.
GAUSSIAN = 1.3
# Of larger maps every second voxel, or third, is looked at.
LOOKED_AT = 128
# A sphere is so many voxels larger than what it holds, and its edge as wide, as parts of the box.
MARGIN, EDGE = 0.02, 0.05
# A sphere smaller than this part of the box is none: the map is then not a molecule in noise.
LEAST_RADIUS = 0.15


@dataclass(frozen=True)
class Sphere:
    """Where a molecule ends, in voxels from the middle of the box, and the noise's deviation."""

    radius: float
    noise: float


def without_noise_around(density: DensityMap) -> DensityMap:
    """Return a map at its solvent's level beyond a sphere about its molecule, if noise is there.

    The edge of the sphere is soft; a note tells of it.
    """
    level = median_of_faces(density.voxels)
    sphere = sphere_in_noise(density.voxels, level)
    if sphere is None:
        return density
    radius = (sphere.radius + MARGIN * density.box) * density.pixel_size_angstrom
    note = (
        f"noise fills the map's box around its molecule (standard deviation {sphere.noise:.3g}): "
        f"it is taken off further than {radius:.0f} A from the middle"
    )
    voxels = _cut(density.voxels, level, sphere.radius + MARGIN * density.box)
    return replace(density, voxels=voxels, notes=(*density.notes, note))


def sphere_in_noise(voxels: Images, level: float) -> Sphere | None:
    """Return the sphere that all but Gaussian noise of a map ``(N, N, N)`` lies in, else None."""
    n = voxels.shape[0]
    step = max(1, -(-n // LOOKED_AT))
    some = voxels[::step, ::step, ::step].astype(np.float64) - level
    axis = np.square(np.arange(0, n, step) - n // 2)
    radius = np.sqrt(axis[:, None, None] + axis[:, None] + axis)
    outside = some[radius > n / 2]
    noise = 1.4826 * float(np.median(np.abs(outside)))
    if not noise > 0 or float(np.sqrt(np.mean(outside**2))) > GAUSSIAN * noise:
        return None
    shell = (radius / step).astype(np.int64).ravel()
    inside = shell < n / 2 / step
    shell, values = shell[inside], np.abs(some.ravel()[inside])
    deviation: Floats = np.sqrt(np.bincount(shell, values**2) / np.bincount(shell).clip(1))
    highest = np.zeros(len(deviation))
    np.maximum.at(highest, shell, values)
    if noise < NOISY * deviation.max():
        return None
    holds_more = np.flatnonzero((deviation > MORE * noise) | (highest > FAR * noise))
    if not len(holds_more):
        return None
    reach = step * float(holds_more[-1] + 1)
    return Sphere(reach, noise) if reach >= LEAST_RADIUS * n else None


def _cut(voxels: Images, level: float, radius: float) -> Images:
    """Return a map at ``level`` beyond ``radius`` voxels from the middle, with a soft edge."""
    n = voxels.shape[0]
    cut = np.empty_like(voxels, dtype=np.float32)
    axis = np.square(np.arange(n) - n // 2).astype(np.float32)
    edge = EDGE * n
    for z in range(n):  # a section at a time: a mask as large as the map is not needed
        away = np.sqrt(axis[z] + axis[:, None] + axis)
        part = np.clip((away - radius) / edge, 0, 1)
        weight = 0.5 + 0.5 * np.cos(math.pi * part)
        cut[z] = np.where(part > 0, level + (voxels[z] - level) * weight, voxels[z])
    return cut
