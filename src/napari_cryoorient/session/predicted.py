"""Poses that a run, a search or a refinement wrote for the stack that is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.session.data import Data
from napari_cryoorient.session.inspection import Predictions, Source


def load_predictions(
    data: Data, path: Path, symmetry: str = "C1", source: Source = "network"
) -> Predictions:
    """Read poses written for the stack in ``data``, or for some of its particles.

    Errors are counted against the stack's own poses, where it has any, under ``symmetry``.

    Raises:
        InputError: where they cannot be read or do not belong to the stack.

    """
    from napari_cryoorient.evaluation import pose_errors
    from napari_cryoorient.geometry.point_groups import point_group
    from napari_cryoorient.io.new_star import (
        CONFIDENCE,
        POSE_PROBABILITY,
        PRESENCE_PROBABILITY,
    )
    from napari_cryoorient.io.particle_table import ParticleTable
    from napari_cryoorient.io.pose_table import match_rows, read_pose_table
    from napari_cryoorient.io.star import read_star

    particles = data.particles
    table = read_pose_table(path)
    if particles is None or table.poses is None:
        raise InputError(f"{path} has no poses to show.")
    theirs, ours = match_rows(table.names, particles.names)
    if not len(ours):
        raise InputError(
            f"{path} has none of the particles of {data.star_path}: load the STAR file it was "
            "made from."
        )
    order = np.argsort(ours)
    theirs, rows = theirs[order], ours[order]
    poses = table.poses[theirs]
    values = ParticleTable(read_star(path))
    confidence, presence, pose_probability = (
        values.floats(name)[theirs] if name in values else None
        for name in (CONFIDENCE, PRESENCE_PROBABILITY, POSE_PROBABILITY)
    )
    errors, shift_errors = None, None
    if particles.poses is not None:
        both = pose_errors(poses, particles.poses[rows], point_group(symmetry))
        errors, shift_errors = both.angles_deg, both.shifts_angstrom
    return Predictions(
        path,
        poses,
        confidence,
        errors,
        shift_errors,
        symmetry,
        source,
        None if len(rows) == len(particles) else rows,
        presence=presence,
        pose_probability=pose_probability,
    )
