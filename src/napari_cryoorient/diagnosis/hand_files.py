"""Poses, their pairs and the tilt of the specimen from files: what ``hand`` looks at."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from napari_cryoorient.config import HandConfig
from napari_cryoorient.diagnosis.handedness import FEWEST, HandTest, hand_of_pairs, hand_of_views
from napari_cryoorient.diagnosis.pose_files import PoseFile, coordinates_of, read_poses
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.particles import Floats, Integers
from napari_cryoorient.reporting import SILENT, Reporter

PARTICLE, TILT, AXIS = "rlnParticleName", "rlnMicrographTiltAngle", "rlnMicrographTiltAxisDirection"
DEFOCUS = "rlnDefocusU", "rlnDefocusV"
# So much of the spread of defocus within micrographs has to follow where particles lie.
LEAST_EXPLAINED = 0.5


def hand_of_files(
    tilted: Path,
    untilted: Path | None = None,
    config: HandConfig = HandConfig(),
    *,
    reporter: Reporter = SILENT,
) -> HandTest:
    """Tell the hand from the poses in a file of tilted images, and one of the same untilted.

    Tilt and axis that are not given are those of the file's columns; failing these the axis is
    where the defocus says.  Particles are paired by rlnParticleName, or row by row.  Raises
    InputError where something is missing.
    """
    group = symmetry_matrices(config.symmetry)
    after = read_poses(tilted, keep_star=True)
    before = None if untilted is None else read_poses(untilted, keep_star=True)
    tilt = _tilt(after, before) if config.tilt_deg is None else config.tilt_deg
    axis = _median(after, AXIS) if config.axis_deg is None else config.axis_deg
    if axis is None and (by_defocus := axis_of_defocus(after)) is not None:
        axis, tilt = by_defocus, abs(tilt)
        reporter.say(
            f"Note: the axis, {axis:.0f} degrees, is from the defocus, taken to fall towards the "
            "viewer, which is so or the reverse for all images of a microscope."
        )
    if before is not None:
        rows, other_rows = _pairs(before, after)
        return hand_of_pairs(before.poses[rows], after.poses[other_rows], group, tilt, axis)
    if axis is None:
        raise InputError(
            f"Nothing tells the axis of the tilt: state it (--axis), as {tilted} has no _{AXIS}, "
            "and no defocus that changes across micrographs."
        )
    return hand_of_views(after.poses, group, tilt, axis)


def axis_of_defocus(file: PoseFile) -> float | None:
    """Return the axis of a tilt by a positive angle from the defocus across micrographs, degrees.

    At (x, y) of a plane turned by t about (cos a, sin a) it is ``D + tan t (sin a x - cos a y)``,
    where it falls towards the viewer.  None where the file does not tell.
    """
    assert file.star is not None
    table, places = ParticleTable(file.star), coordinates_of(file.star)
    if places is None or file.micrographs is None or any(name not in table for name in DEFOCUS):
        return None
    defocus = np.asarray(sum(table.floats(name) for name in DEFOCUS)) / 2
    within = file.micrographs.group_of
    x, y, d = (_centred(each, within) for each in (places[:, 0], places[:, 1], defocus))
    if len(d) < FEWEST or not d.any():
        return None
    slopes, *_ = np.linalg.lstsq(np.stack([x, y], axis=1), d, rcond=None)
    left = d - slopes[0] * x - slopes[1] * y
    if not float(left @ left) < (1 - LEAST_EXPLAINED) * float(d @ d):
        return None
    return math.degrees(math.atan2(slopes[0], -slopes[1]))


def _centred(values: Floats, group_of: Integers) -> Floats:
    """Return values less the mean of their group."""
    counts = np.maximum(np.bincount(group_of), 1)
    return np.asarray(values - (np.bincount(group_of, values) / counts)[group_of])


def _median(file: PoseFile, name: str) -> float | None:
    assert file.star is not None
    table = ParticleTable(file.star)
    return float(np.median(table.floats(name))) if name in table else None


def _tilt(after: PoseFile, before: PoseFile | None) -> float:
    tilt = _median(after, TILT)
    if tilt is None:
        raise InputError(
            f"Nothing tells how far the specimen was tilted: state it (--tilt), as there is no "
            f"_{TILT} in {after.path}."
        )
    return tilt - ((_median(before, TILT) or 0.0) if before is not None else 0.0)


def _pairs(before: PoseFile, after: PoseFile) -> tuple[Integers, Integers]:
    """Return the rows of both files that are of one particle."""
    assert before.star is not None
    assert after.star is not None
    tables = ParticleTable(before.star), ParticleTable(after.star)
    if all(PARTICLE in table for table in tables):
        first, second = (table.texts(PARTICLE) for table in tables)
        places = {name: i for i, name in enumerate(first)}
        found = [(places[name], i) for i, name in enumerate(second) if name in places]
        if not found:
            raise InputError(
                f"No particle of {before.path} ({first[0]} ...) is in {after.path} "
                f"({second[0]} ...), by _{PARTICLE}."
            )
        rows = np.array(found, dtype=np.int64)
        return rows[:, 0], rows[:, 1]
    if len(before.names) != len(after.names):
        raise InputError(
            f"{len(before.names)} particles cannot be paired with {len(after.names)} row by row; "
            f"name each particle alike in a column _{PARTICLE}: {before.path}, {after.path}."
        )
    rows = np.arange(len(before.names), dtype=np.int64)
    return rows, rows
