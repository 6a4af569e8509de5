"""Pixels of equal area on the sphere: HEALPix in the ring scheme (Gorski et al. 2005, section 5).

There are ``12 n^2`` of them for a resolution n (Nside).  Rings run from the north pole to the
south pole, pixels within a ring eastwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.particles import Floats, Integers


def n_pixels(nside: int) -> int:
    """Return how many pixels the sphere has."""
    return 12 * nside * nside


def pixel_of(directions: Floats, nside: int) -> Integers:
    """Return the pixel ``(n,)`` that each unit vector ``(n, 3)`` (x, y, z) lies in."""
    x, y, z = np.moveaxis(np.asarray(directions, dtype=np.float64), -1, 0)
    height = np.clip(z, -1.0, 1.0)
    quarter = np.mod(np.arctan2(y, x) * (2 / np.pi), 4.0)  # longitude in right angles
    pixels = np.empty(height.shape, dtype=np.int64)
    is_cap = np.abs(height) > 2 / 3
    belt = ~is_cap
    pixels[belt] = _belt(height[belt], quarter[belt], nside)
    pixels[is_cap] = _cap(height[is_cap], quarter[is_cap], nside)
    return pixels


def centres(nside: int) -> Floats:
    """Return the unit vectors ``(12 n^2, 3)`` of the pixels' centres, in order."""
    ring, place, length = _rings(nside)
    is_cap = (ring < nside) | (ring > 3 * nside)
    from_pole = np.minimum(ring, 4 * nside - ring)
    cap_height = np.sign(2 * nside - ring) * (1 - from_pole**2 / (3.0 * nside * nside))
    z = np.where(is_cap, cap_height, 4 / 3 - 2 * ring / (3.0 * nside))
    # Belt rings start at the meridian, or half a pixel from it, by turns.
    offset = np.where(is_cap | ((ring - nside) % 2 == 0), 0.5, 0.0)
    longitude = (place + offset) * 2 * np.pi / length
    radius = np.sqrt(np.maximum(1 - z * z, 0.0))
    return np.stack([radius * np.cos(longitude), radius * np.sin(longitude), z], axis=1)


def _rings(nside: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the ring (from 1), the place in it (from 0) and its length for each pixel."""
    numbers = np.arange(1, 4 * nside)
    lengths = 4 * np.minimum(np.minimum(numbers, 4 * nside - numbers), nside)
    firsts = np.cumsum(lengths) - lengths
    place = np.arange(n_pixels(nside)) - np.repeat(firsts, lengths)
    return np.repeat(numbers, lengths), place, np.repeat(lengths, lengths)


def _belt(z: Floats, quarter: Floats, nside: int) -> Integers:
    """Return pixels of the belt |z| <= 2/3, whose edges are lines of constant slope in z."""
    rising = np.floor(nside * (0.5 + quarter - 0.75 * z)).astype(np.int64)
    falling = np.floor(nside * (0.5 + quarter + 0.75 * z)).astype(np.int64)
    ring = nside + rising - falling  # from 0, at z = 2/3
    place = np.mod((rising + falling - nside + (ring & 1) + 1) // 2, 4 * nside)
    return np.asarray(2 * nside * (nside - 1) + 4 * nside * ring + place)


def _cap(z: Floats, quarter: Floats, nside: int) -> Integers:
    """Return pixels of the caps |z| > 2/3, each a quarter of which is cut by its two edges."""
    within = quarter - np.floor(quarter)
    reach = nside * np.sqrt(3 * (1 - np.abs(z)))
    rising = np.floor(within * reach).astype(np.int64)
    falling = np.floor((1 - within) * reach).astype(np.int64)
    ring = np.minimum(rising + falling + 1, nside)  # from 1, at the nearer pole
    place = np.mod(np.floor(quarter * ring).astype(np.int64), 4 * ring)
    north, south = 2 * ring * (ring - 1), n_pixels(nside) - 2 * ring * (ring + 1)
    return np.asarray(np.where(z > 0, north, south) + place)
