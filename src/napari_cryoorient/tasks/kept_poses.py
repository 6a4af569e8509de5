"""Particles whose images are unusable: they keep the pose they had, with a confidence of 0."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeVar

import numpy as np

from napari_cryoorient.alignment.refine.local import RefinedPoses
from napari_cryoorient.alignment.refine.two_groups import Strengths
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.particles import Floats, Integers, ParticleSet, Poses

Found = TypeVar("Found", FoundPoses, RefinedPoses)


def known_poses(particles: ParticleSet, rows: Integers) -> Poses:
    """Return the poses particles ``rows`` have; where there are none, the map's own frame."""
    if particles.poses is not None:
        return particles.poses[rows]
    return Poses(np.tile(np.eye(3), (len(rows), 1, 1)), np.zeros((len(rows), 2)))


def found_of_all(found: FoundPoses, rows: Integers, particles: ParticleSet) -> FoundPoses:
    """Add the particles of ``rows`` that were not searched, at the poses they have.

    Those that correlate with nothing at all are taken for such too.
    """
    seen = found.correlation != 0.0
    left = np.setdiff1d(rows, found.rows[seen])
    if not len(left):
        return found
    poses, nothing = known_poses(particles, left), np.zeros(len(left))
    endless = np.full(len(left), np.inf)
    kept = FoundPoses(
        rows=left,
        poses=poses,
        correlation=nothing,
        log_likelihood=nothing,
        confidence=nothing,
        pose_probability=nothing,
        presence_log_odds=np.full(len(left), -np.inf),
        runner_up=poses,
        margin=endless,
        strengths=Strengths(nothing, nothing),
    )
    return _in_order(FoundPoses.joined([_chosen(found, seen), kept]))


def refined_of_all(
    refined: RefinedPoses, confidence: Floats, rows: Integers, poses: Poses
) -> tuple[RefinedPoses, Floats]:
    """Return all particles of ``poses``: ``refined``, whose i-th is row ``rows[i]``, and the rest.

    The rest, and those that correlate with nothing at all, keep their poses with a confidence of 0.
    """
    seen = refined.correlation != 0.0
    left = np.setdiff1d(np.arange(len(poses)), rows[seen])
    if not len(left):
        return refined, confidence
    nothing = np.zeros(len(left))
    strengths = Strengths(nothing, nothing)
    kept = RefinedPoses(
        rows=left,
        poses=poses[left],
        correlation=nothing,
        log_likelihood=nothing,
        moved_deg=nothing,
        moved_angstrom=nothing,
        is_doubtful=np.ones(len(left), dtype=bool),
        was_restarted=np.zeros(len(left), dtype=bool),
        strengths=strengths,
        first_strengths=strengths,
        presence_log_odds=np.full(len(left), -np.inf),
    )
    whole = np.zeros(len(poses))
    whole[rows[seen]] = confidence[seen]
    chosen = _chosen(replace(refined, rows=rows), seen)
    return _in_order(RefinedPoses.joined([chosen, kept])), whole


def _in_order(found: Found) -> Found:
    return _chosen(found, np.argsort(found.rows, kind="stable"))


def _chosen(found: Found, which: np.ndarray) -> Found:
    return type(found)(**{f.name: getattr(found, f.name)[which] for f in fields(found)})
