"""Distances of rotations as NumPy arrays, for what compares files of poses and needs no torch.

The functions are those of ``geometry.rotations`` and ``geometry.symmetry`` by name; the tests hold
them to the same figures.
"""

from __future__ import annotations

import numpy as np

from napari_cryoorient.particles import Floats


def angular_distance_deg(a: Floats, b: Floats) -> Floats:
    """Angle in degrees between rotations ``(..., 3, 3)``, accurate for the smallest angles too."""
    half_sine = np.square(a - b).sum((-2, -1)) / 8
    half_cosine = (1 + (a * b).sum((-2, -1))) / 4
    half_angle = np.arctan2(np.sqrt(half_sine), np.sqrt(np.maximum(half_cosine, 0)))
    return np.asarray(np.rad2deg(2 * half_angle))


def nearest_equivalent(a: Floats, b: Floats, group: Floats) -> Floats:
    """Return the equivalent ``a G^T`` ``(..., 3, 3)`` of each rotation a that lies nearest to b."""
    # tr(b^T a G^T) for every G: one matrix product.
    relative = np.swapaxes(b, -2, -1) @ a
    traces = relative.reshape(*relative.shape[:-2], 9) @ group.reshape(-1, 9).T
    return np.asarray(a @ np.swapaxes(group[traces.argmax(-1)], -2, -1))


def symmetric_distance_deg(a: Floats, b: Floats, group: Floats) -> Floats:
    """Angle in degrees between poses ``(..., 3, 3)``, the smallest over the group ``(g, 3, 3)``."""
    return angular_distance_deg(a, nearest_equivalent(b, a, group))


def nearest_rotation(matrix: Floats) -> Floats:
    """Return the rotation ``(3, 3)`` with the least squared difference from ``matrix``.

    ``U diag(1, 1, det(U V^T)) V^T`` of the singular values' ``U S V^T`` (Schoenemann 1966).
    """
    left, _, right = np.linalg.svd(matrix)
    left[:, 2] *= np.linalg.det(left @ right)
    return np.asarray(left @ right)
