"""Noise that fills a reference's box around its molecule, taken off beyond a sphere.

A slice of a map's transform is interpolated, and what lies far from the middle of the box is
carried into it from the other side: noise in the corners of a map does more harm than noise beside
the molecule.  The sphere holds every shell that is stronger than the noise in the corners, voxel by
voxel or in means of 8 and of 64, so that weak domains lie within it too; a mask of the molecule's
shape would have to guess which weak density belongs to it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from napari_cryoorient.particles import DensityMap, Floats, Images, median_of_faces

# Noise is looked for beyond the sphere that touches the box's faces; it matters where it has this
# part of the deviation of the densest shell.
NOISY = 0.05
# A shell holds more than noise where its deviation is so many times the noise's and beyond chance
# by so many standard errors, or one of its voxels is so many deviations away.
MORE, BEYOND_CHANCE, FAR = 1.1, 4.0, 6.0
# The noise is Gaussian where its deviation is that of its median size, within this factor.
GAUSSIAN = 1.2
# Means are taken over cubes of so many voxels a side; of two, three or more times as many in maps
# larger than this box, twice this, and so on.
CUBES, LOOKED_AT = (1, 2, 4), 128
# A sphere is so many voxels larger than what it holds, and its edge as wide, as parts of the box.
MARGIN, EDGE = 0.02, 0.05
# A sphere smaller than this part of the box is none: the map is then not a molecule in noise.
LEAST_RADIUS = 0.15


def without_noise_around(density: DensityMap) -> DensityMap:
    """Return a map at its solvent's level beyond a sphere about its molecule, if noise is there.

    The edge of the sphere is soft; a note tells of it.
    """
    level = median_of_faces(density.voxels)
    held = radius_in_noise(density.voxels, level)
    if held is None:
        return density
    reach = held + MARGIN * density.box
    where = f"further than {reach * density.pixel_size_angstrom:.0f} A from the middle"
    if reach > density.box / 2:
        where = f"in the corners of the box, {where}"
    note = f"noise fills the map's box around its molecule: it is taken off {where}"
    voxels = _cut(density.voxels, level, reach)
    return replace(density, voxels=voxels, notes=(*density.notes, note))


def radius_in_noise(voxels: Images, level: float) -> float | None:
    """Return how many voxels from the middle all but noise of a map ``(N, N, N)`` lies.

    None where its corners hold anything but Gaussian noise around ``level``, next to none of it, or
    the map nothing else.
    """
    n = voxels.shape[0]
    step = max(1, -(-n // LOOKED_AT))
    reach = 0.0
    for cube in CUBES:
        if n // (cube * step) < 8:
            break
        some, radius = _means(voxels, cube * step, level)
        outside = some[radius > n / 2]
        deviation = 1.4826 * float(np.median(np.abs(outside)))
        if not deviation > 0 or float(np.sqrt(np.mean(outside**2))) > GAUSSIAN * deviation:
            return None
        if float(np.abs(outside).max()) > FAR * deviation:
            return None
        shell = (radius / (cube * step)).astype(np.int64)
        is_inside = radius < n / 2
        shell, values = shell[is_inside], np.abs(some[is_inside])
        counts = np.bincount(shell).clip(1)
        of_shell: Floats = np.sqrt(np.bincount(shell, values**2) / counts)
        if cube == CUBES[0] and deviation < NOISY * of_shell.max():
            return None
        highest = np.zeros(len(of_shell))
        np.maximum.at(highest, shell, values)
        # Voxels of filtered noise are not independent: an eighth of them counts.
        most = np.maximum(MORE, 1 + BEYOND_CHANCE * np.sqrt(8 / (2 * counts)))
        holds_more = np.flatnonzero((of_shell > most * deviation) | (highest > FAR * deviation))
        if len(holds_more):
            reach = max(reach, cube * step * float(holds_more[-1] + 1))
    return reach if reach >= LEAST_RADIUS * n else None


def _means(voxels: Images, side: int, level: float) -> tuple[Floats, Floats]:
    """Return means over cubes of ``side`` voxels less ``level``, and how far out each lies."""
    m = voxels.shape[0] // side
    start = (voxels.shape[0] - m * side) // 2
    part = slice(start, start + m * side)
    # A layer of cubes at a time: the map may be large.
    layers = [
        voxels[z : z + side, part, part].reshape(side, m, side, m, side).mean((0, 2, 4), np.float64)
        for z in range(start, start + m * side, side)
    ]
    axis = start + side * np.arange(m) + (side - 1) / 2 - voxels.shape[0] // 2
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    return np.stack(layers) - level, radius


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
