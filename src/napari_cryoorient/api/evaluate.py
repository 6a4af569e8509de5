"""Poses compared with true ones, and their projections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyPath, map_of
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.config import EvaluateConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.particles import ParticleSet, Poses
from napari_cryoorient.tasks.evaluate import Evaluation, evaluate_poses
from napari_cryoorient.tasks.pairs import NamedPoses

AnyPoses = Poses | ParticleSet | PoseEstimates | AnyPath


@with_keywords(EvaluateConfig)
def evaluate(
    found: AnyPoses,
    true: AnyPoses,
    *,
    density: AnyMap | None = None,
    config: EvaluateConfig | None = None,
    **settings: Any,
) -> Evaluation:
    """Compare poses with true ones, under the symmetry group.

    Particles are paired by image name where both have names, else row by row.

    Args:
        found: poses, particles with poses, or the path of a STAR or ``.cs`` file.
        true: the poses they should have.
        density: a map; the projections at both poses are compared too, at the true shift.
        config: the settings; single ones by name go before its own.
        settings: fields of ``EvaluateConfig``.

    Raises:
        InputError: where nothing can be paired, or one of the two has no poses.

    """
    return evaluate_poses(
        _named_poses(found, "the one"),
        _named_poses(true, "the other"),
        config_of(EvaluateConfig, config, settings),
        density=None if density is None else map_of(density),
    )


def _named_poses(given: AnyPoses, title: str) -> NamedPoses:
    """Return poses, and the image names of their particles where there are any."""
    if isinstance(given, Poses):
        return NamedPoses(given, (), title)
    if isinstance(given, ParticleSet | PoseEstimates):
        particles = given.particles if isinstance(given, PoseEstimates) else given
        if particles.poses is None:
            raise InputError("There are no poses to compare: the particles have none.")
        return NamedPoses(particles.poses, particles.names, title)
    table = read_pose_table(Path(given))
    if table.poses is None:
        raise InputError(f"There are no poses to compare: {given}: {table.why_not('poses')}.")
    return NamedPoses(table.poses, table.names, str(given))
