"""The poses of a STAR file as points on the sphere of viewing directions, one a particle.

What napari can do with points can then be done with particles: colour them by a column, choose
some, delete others, and save the rest as a STAR file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star import poses_of_table, read_star
from napari_cryoorient.io.star_columns import columns_of
from napari_cryoorient.viewer.readers import METADATA_KEY, LayerData

LARGEST, SMALLEST = 0.08, 0.03  # of a sphere of radius 1
# In pixels: points that napari would make larger than they are it draws as their border, in grey.
CANVAS_SIZE_LIMITS = (0.0, 10_000.0)


def point_size(n: int) -> float:
    """Return the diameter of points, n of which lie on a sphere of radius 1."""
    return float(np.clip(2.0 / np.sqrt(max(n, 1)), SMALLEST, LARGEST))


def directions_layer(path: Path) -> LayerData:
    """Describe a Points layer ``(n, 3)`` of viewing directions with every column as a feature.

    Raises:
        InputError: for a file without particles or without poses.

    """
    star = read_star(path)
    notes: list[str] = []
    # Origins are not drawn, so that their unit does not matter here.
    poses = poses_of_table(ParticleTable(star), 1.0, notes)
    if poses is None:
        raise InputError(f"{path} has no poses to show ({notes[-1]}).")
    options = {
        "name": f"viewing directions of {path.name}",
        "size": point_size(len(poses)),
        "canvas_size_limits": CANVAS_SIZE_LIMITS,
        "border_width": 0.0,
        "face_color": "#6ba8eb",
        "features": columns_of(star),
        "axis_labels": ("z", "y", "x"),
        "metadata": {METADATA_KEY: {"role": "directions", "path": str(path)}},
    }
    return np.ascontiguousarray(poses.rotations[:, 2, ::-1]), options, "points"
