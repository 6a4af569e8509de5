"""Whether a map has the hand of the molecule."""

from __future__ import annotations

from typing import Any

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.config import HandConfig
from napari_cryoorient.diagnosis.handedness import HandTest, hand_of_pairs, hand_of_views
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import ParticleSet, Poses


@with_keywords(HandConfig)
def hand(
    tilted: Poses | ParticleSet | PoseEstimates,
    untilted: Poses | ParticleSet | PoseEstimates | None = None,
    *,
    config: HandConfig | None = None,
    **settings: Any,
) -> HandTest:
    """Tell the hand of the map that poses were found with, from images of a tilted specimen.

    Args:
        tilted: poses in images taken at the tilt.
        untilted: poses of the same particles, row for row, in images taken without it; the views
            of the tilted ones alone tell where particles lie in the ice in a preferred way.
        config: the settings; single ones by name go before its own.
        settings: fields of ``HandConfig``; the tilt has to be named, and without the axis pairs
            show where it lies, and not the hand.

    Raises:
        InputError: for particles without poses, sets of two lengths, fewer than ten particles, a
            tilt below five degrees, and views without an axis.

    """
    config = config_of(HandConfig, config, settings)
    if config.tilt_deg is None:
        raise InputError("Name the tilt of the specimen: tilt_deg.")
    group, after = symmetry_matrices(config.symmetry), _poses_of(tilted)
    if untilted is None:
        if config.axis_deg is None:
            raise InputError("Views tell the hand where the axis of the tilt is known; name it.")
        return hand_of_views(after, group, config.tilt_deg, config.axis_deg)
    before = _poses_of(untilted)
    if len(before) != len(after):
        raise InputError(
            f"{len(before)} poses and {len(after)} are no pairs: there have to be as many, row "
            "for row."
        )
    return hand_of_pairs(before, after, group, config.tilt_deg, config.axis_deg)


def _poses_of(given: Poses | ParticleSet | PoseEstimates) -> Poses:
    if isinstance(given, Poses):
        return given
    if given.poses is None:
        raise InputError("There are no poses to look at: the particles have none.")
    return given.poses
