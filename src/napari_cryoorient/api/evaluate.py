"""Poses compared with others, and maps with maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyPath, map_of
from napari_cryoorient.config import DeviceName
from napari_cryoorient.device import choose_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.evaluation import (
    PoseErrors,
    ReprojectionErrors,
    pose_errors,
    reprojection_rmse,
)
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.pose_table import match_rows, read_pose_table
from napari_cryoorient.particles import Floats, Integers, ParticleSet, Poses
from napari_cryoorient.simulation.simulate import projector_of

AnyPoses = Poses | ParticleSet | PoseEstimates | AnyPath


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """How far poses are from others: ``errors`` of each pair, and of their ``projections``.

    ``rows`` and ``true_rows`` ``(k,)`` are the pairs' places in the two sets that were compared.
    ``projections`` is None where no map was given.
    """

    errors: PoseErrors
    projections: ReprojectionErrors | None
    rows: Integers
    true_rows: Integers

    @property
    def angles_deg(self) -> Floats:
        """Angle between each pair ``(k,)``, the smallest over the symmetry group."""
        return self.errors.angles_deg

    @property
    def median_deg(self) -> float:
        """Median of these angles."""
        return self.errors.median_deg

    def summary(self) -> dict[str, float]:
        """Return the figures by name, as ``evaluate --json`` does."""
        figures = self.errors.summary()
        if self.projections is not None:
            figures["rmse"] = self.projections.rmse
            figures["relative_rmse"] = self.projections.relative_rmse
        return figures

    def __repr__(self) -> str:
        e = self.errors
        return (
            f"Evaluation({len(self.rows)} pairs, median {e.median_deg:.2f} degrees, "
            f"{e.fraction_under_5_deg:.0%} under 5, {e.fraction_under_10_deg:.0%} under 10, "
            f"shifts {e.shift_rms_angstrom:.2f} A rms)"
        )


def evaluate(
    found: AnyPoses,
    true: AnyPoses,
    *,
    symmetry: str = "C1",
    density: AnyMap | None = None,
    device: DeviceName = "auto",
) -> Evaluation:
    """Compare poses with true ones, under the symmetry group.

    Particles are paired by image name where both have names, else row by row.  With a map the
    projections at both poses are compared too, at the true shift.  Raises InputError where nothing
    can be paired, or one of the two has no poses.
    """
    group, place = symmetry_matrices(symmetry), choose_device(device)
    poses, names = _named_poses(found)
    true_poses, true_names = _named_poses(true)
    if names and true_names:
        rows, true_rows = match_rows(names, true_names)
        if not len(rows):
            raise InputError(
                f"No particle of the one ({names[0]} ...) is in the other ({true_names[0]} ...); "
                "compare particles of one stack."
            )
    elif len(poses) != len(true_poses):
        raise InputError(
            f"{len(poses)} poses cannot be compared with {len(true_poses)} row by row, and not "
            "both have image names to pair them by."
        )
    else:
        rows = true_rows = np.arange(len(poses), dtype=np.int64)
    if not len(rows):
        raise InputError("There are no poses to compare.")
    a, b = poses[rows], true_poses[true_rows]
    projections = None
    if density is not None:
        projections = reprojection_rmse(projector_of(map_of(density), place), a, b)
    return Evaluation(pose_errors(a, b, group), projections, rows, true_rows)


def _named_poses(given: AnyPoses) -> tuple[Poses, Sequence[str]]:
    """Return poses, and the image names of their particles where there are any."""
    names: Sequence[str] = ()
    poses: Poses | None
    why = "the particles have none"
    if isinstance(given, Poses):
        poses = given
    elif isinstance(given, PoseEstimates):
        poses, names = given.poses, given.particles.names
    elif isinstance(given, ParticleSet):
        poses, names = given.poses, given.names
    else:
        table = read_pose_table(Path(given))
        poses, names = table.poses, table.names
        why = f"{given}: {table.why_not('poses')}" if poses is None else why
    if poses is None:
        raise InputError(f"There are no poses to compare: {why}.")
    return poses, names
