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

_MAX_SIZE, _MIN_SIZE = 0.08, 0.015  # of a sphere of radius 1


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
        "size": float(np.clip(2.0 / np.sqrt(len(poses)), _MIN_SIZE, _MAX_SIZE)),
        "border_width": 0.0,
        "face_color": "#6ba8eb",
        "features": columns_of(star),
        "axis_labels": ("z", "y", "x"),
        "metadata": {METADATA_KEY: {"role": "directions", "path": str(path)}},
    }
    return np.ascontiguousarray(poses.rotations[:, 2, ::-1]), options, "points"
