"""Edges that fall from 1 to 0 over a width, as masks and filters have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from napari_cryoorient.particles import Floats, Images


def soft_edge(beyond_angstrom: ArrayLike, edge_angstrom: float) -> Images:
    """Return 1 at 0 and below, 0 from ``edge_angstrom`` on, half a cosine between."""
    return falling_cosine(np.asarray(beyond_angstrom), edge_angstrom).astype(np.float32)


def falling_cosine(beyond: Floats, edge: float) -> Floats:
    """Return 1 at 0 and below, 0 from ``edge`` on, half a cosine between."""
    position = np.clip(beyond / max(edge, 1e-6), 0, 1)
    return np.asarray(0.5 * (1 + np.cos(np.pi * position)))
