"""Poses to STAR, and a look at what was written before it is called done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Integers
from napari_cryoorient.session.data import Data
from napari_cryoorient.session.inspection import Inspection

POSE_COLUMNS = {
    "rlnAngleRot",
    "rlnAngleTilt",
    "rlnAnglePsi",
    "rlnOriginXAngst",
    "rlnOriginYAngst",
    "rlnOriginX",
    "rlnOriginY",
    "rlnParticleFigureOfMerit",
}


@dataclass(frozen=True)
class ExportedPoses:
    """What was written: the file, its particles, and how many columns were kept as they were.

    ``beside`` is the file in whose folder it belongs, where the names of its images lead nowhere
    from its own.
    """

    path: Path
    n_particles: int
    n_kept_columns: int
    beside: Path | None = None


def export_poses(
    data: Data,
    inspection: Inspection,
    path: Path,
    rows: Integers | None = None,
    project_dir: Path | None = None,
) -> ExportedPoses:
    """Write the poses under inspection, of all its particles or of ``rows``, and check the file.

    Where some of the stack's particles are inspected, only theirs can be written.

    Raises:
        InputError: where there are no poses, the file is the one that was read, or what was
            written lost a row, a column or a block.

    """
    from napari_cryoorient.io.particle_block import particle_block
    from napari_cryoorient.io.star import read_star, write_poses
    from napari_cryoorient.tasks.image_paths import note_on_lost_images

    poses = inspection.shown_poses
    if data.star is None or poses is None or inspection.kind not in ("predictions", "poses"):
        raise InputError("There are no poses of the whole stack to export yet: train first.")
    if rows is not None and not len(rows):
        raise InputError("No particle is left by the filter: nothing was written.")
    confidence, source = inspection.confidence, data.star
    before = particle_block(source).table
    if rows is None and len(inspection) < len(before):
        rows = np.arange(len(inspection))
    if rows is None:
        write_poses(source, poses, path, confidence=confidence)
    else:
        kept = None if confidence is None else confidence[rows]
        of_star = inspection.rows[rows]
        write_poses(source, poses[rows], path, confidence=kept, rows=of_star)
    written = read_star(path)
    after = particle_block(written).table
    n = len(before) if rows is None else len(rows)
    lost = [name for name in before.columns if name not in after.columns]
    blocks = [block.name for block in source.blocks if written.block(block.name) is None]
    if len(after) != n or lost or blocks:
        raise InputError(
            f"{path} came out wrong ({len(after)} of {n} rows, missing: {[*lost, *blocks]}); "
            "do not use it."
        )
    others = [name for name in before.columns if name not in POSE_COLUMNS]
    is_lost = note_on_lost_images(source, path, project_dir) is not None
    return ExportedPoses(path, n, len(others), source.path if is_lost else None)
