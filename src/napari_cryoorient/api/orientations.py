"""The views of a set of poses judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.evaluate import AnyPoses
from napari_cryoorient.api.files import AnyMap, AnyPath, map_of
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.progress import Say, reporter_of
from napari_cryoorient.config import OrientationsConfig
from napari_cryoorient.diagnosis.orientation_files import orientations_of_poses
from napari_cryoorient.diagnosis.orientations import OrientationReport
from napari_cryoorient.diagnosis.pose_files import read_poses
from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import DensityMap, ParticleSet, Poses


@with_keywords(OrientationsConfig)
def orientations(
    poses: AnyPoses,
    half1: AnyMap | None = None,
    half2: AnyMap | None = None,
    *,
    mask: DensityMap | AnyPath | None = None,
    config: OrientationsConfig | None = None,
    say: Say | None = None,
    **settings: Any,
) -> OrientationReport:
    """Judge how evenly views cover Fourier space, and half-maps agree in all directions.

    Args:
        poses: poses, particles with poses, or the path of a STAR or ``.cs`` file.
        half1: a half-map, or the path of one.
        half2: the other half-map.
        mask: a soft mask on the half-maps' grid, or "auto" for one found from them.
        config: the settings; single ones by name go before its own.
        say: told each sentence for the user.
        settings: fields of ``OrientationsConfig``; ``seed`` draws the views that are counted where
            there are very many.

    Raises:
        InputError: where there are no poses, or one half-map is given without the other.

    """
    if (half1 is None) != (half2 is None):
        raise InputError("One half-map is given: give both.")
    halves = None
    if half1 is not None and half2 is not None:
        halves = map_of(half1), map_of(half2)
    return orientations_of_poses(
        _poses_of(poses),
        config_of(OrientationsConfig, config, settings),
        halves=halves,
        mask=mask if mask is None or isinstance(mask, DensityMap) else str(mask),
        reporter=reporter_of(say=say),
    )


def _poses_of(given: AnyPoses) -> Poses:
    if isinstance(given, Poses):
        return given
    if not isinstance(given, ParticleSet | PoseEstimates):
        return read_poses(Path(given)).poses
    if given.poses is None:
        raise InputError("There are no poses to judge: the particles have none.")
    return given.poses
