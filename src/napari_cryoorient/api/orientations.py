"""The views of a set of poses judged."""

from __future__ import annotations

from pathlib import Path

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.evaluate import AnyPoses
from napari_cryoorient.api.files import AnyMap, AnyPath, map_of
from napari_cryoorient.api.progress import Say, silent
from napari_cryoorient.diagnosis.half_maps import conical_of_maps
from napari_cryoorient.diagnosis.orientations import OrientationReport, orientation_report
from napari_cryoorient.diagnosis.pose_files import read_poses
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import DensityMap, ParticleSet, Poses


def orientations(
    poses: AnyPoses,
    half1: AnyMap | None = None,
    half2: AnyMap | None = None,
    *,
    symmetry: str = "C1",
    mask: DensityMap | AnyPath | None = None,
    seed: int = 0,
    say: Say | None = None,
) -> OrientationReport:
    """Judge how evenly views cover Fourier space, and half-maps agree in all directions.

    ``mask`` is a soft mask on the half-maps' grid, or "auto" for one found from them; ``seed``
    draws the views that are counted where there are very many.  Raises InputError where there are
    no poses, or one half-map is given without the other.
    """
    group = symmetry_matrices(symmetry)
    if (half1 is None) != (half2 is None):
        raise InputError("One half-map is given: give both.")
    report = orientation_report(_poses_of(poses), group, seed=seed)
    if half1 is None or half2 is None:
        return report
    named = mask if mask is None or isinstance(mask, DensityMap) else str(mask)
    return report.with_conical(
        conical_of_maps(map_of(half1), map_of(half2), mask=named, say=say or silent)
    )


def _poses_of(given: AnyPoses) -> Poses:
    if isinstance(given, Poses):
        return given
    if not isinstance(given, ParticleSet | PoseEstimates):
        return read_poses(Path(given)).poses
    if given.poses is None:
        raise InputError("There are no poses to look at: the particles have none.")
    return given.poses
