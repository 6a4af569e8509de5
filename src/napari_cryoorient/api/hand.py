"""Whether a map has the hand of the molecule."""

from __future__ import annotations

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.diagnosis.handedness import HandTest, hand_of_pairs, hand_of_views
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import ParticleSet, Poses


def hand(
    tilted: Poses | ParticleSet | PoseEstimates,
    untilted: Poses | ParticleSet | PoseEstimates | None = None,
    *,
    tilt_deg: float,
    axis_deg: float | None = None,
    symmetry: str = "C1",
) -> HandTest:
    """Tell the hand of the map that poses were found with, from images of a tilted specimen.

    Args:
        tilted: poses in images taken at the tilt.
        untilted: poses of the same particles, row for row, in images taken without it; the views
            of the tilted ones alone tell where particles lie in the ice in a preferred way.
        tilt_deg: by how much the specimen was turned from the second to the first.
        axis_deg: about which axis in the image, from x towards y; without it pairs tell where the
            axis lies, and not the hand.
        symmetry: the point group of the map, by RELION's name and axes.

    Raises:
        InputError: for particles without poses, sets of two lengths, fewer than ten particles, a
            tilt below five degrees, and views without an axis.

    """
    group, after = symmetry_matrices(symmetry), _poses_of(tilted)
    if untilted is None:
        if axis_deg is None:
            raise InputError("Views tell the hand where the axis of the tilt is known; name it.")
        return hand_of_views(after, group, tilt_deg, axis_deg)
    before = _poses_of(untilted)
    if len(before) != len(after):
        raise InputError(
            f"{len(before)} poses and {len(after)} are no pairs: there have to be as many, row "
            "for row."
        )
    return hand_of_pairs(before, after, group, tilt_deg, axis_deg)


def _poses_of(given: Poses | ParticleSet | PoseEstimates) -> Poses:
    if isinstance(given, Poses):
        return given
    if given.poses is None:
        raise InputError("There are no poses to look at: the particles have none.")
    return given.poses
