"""How the map of one refinement lies in that of another, from the poses of the same particles.

A point p of map A is the point ``p' = Q p + t`` of map B.  Where both see the same particle,
``A = B Q G`` for an element G of the symmetry, and ``shift_A = shift_B + (B t)_xy``.  If map B is
the mirror image of map A, ``p' = S Q p + t`` with ``S = diag(1, 1, -1)``, and ``A = (S B S) Q G``.

Many particles may have a wrong pose in either.  The ``B^T A`` are therefore taken for a mixture:
some lie about Q, up to the symmetry, normally distributed with an unknown width; the others are
anywhere.  Expectation and maximisation find Q, the width and how many belong to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_cryoorient.geometry.rotation_arrays import (
    angular_distance_deg,
    nearest_equivalent,
    nearest_rotation,
)
from napari_cryoorient.particles import Floats, Poses

# Pairs that the rotation is looked for with, candidates for it, and those of them refined.
N_SAMPLE, N_CANDIDATES, N_REFINED = 2000, 400, 5
# Pairs that the rotation and the shift of origin are refined on.
N_FINE = 100_000
# Width at the start, and its bounds, in degrees about each axis.
FIRST_WIDTH_DEG, LEAST_WIDTH_DEG, LARGEST_WIDTH_DEG = 5.0, 0.2, 15.0
N_STEPS = 60
# A frame is clear, and so is the hand, if the logarithm of the likelihood gains so much by it and
# so many pairs belong to it.
CLEAR_GAIN, LEAST_AGREEING = 20.0, 5.0


@dataclass(frozen=True)
class Frame:
    """Rotation ``(3, 3)`` and shift of origin ``(3,)`` (x, y, z, angstrom), map A to map B.

    ``is_mirrored`` tells that map B is the mirror image; ``hand_is_clear`` whether the poses tell
    the one hand from the other.  ``share`` of the pairs belong to the frame, with differences of
    ``width_deg`` about each axis.  ``is_clear`` is False where no frame brings more pairs together
    than chance does: the two are then taken as they are.
    """

    rotation: Floats
    shift_angstrom: Floats
    is_mirrored: bool
    hand_is_clear: bool
    share: float
    width_deg: float
    is_clear: bool

    @property
    def angle_deg(self) -> float:
        """Angle of the rotation."""
        return float(angular_distance_deg(self.rotation, np.eye(3)))

    def onto_first(self, poses: Poses) -> Poses:
        """Return poses of map B in the frame of map A."""
        rotations = _mirrored(poses.rotations) if self.is_mirrored else poses.rotations
        moved = np.einsum("nij,j->ni", poses.rotations[:, :2], self.shift_angstrom)
        return Poses(rotations @ self.rotation, poses.shifts_angstrom + moved)

    def onto_second(self, poses: Poses) -> Poses:
        """Return poses of map A in the frame of map B."""
        rotations = poses.rotations @ self.rotation.T
        rotations = _mirrored(rotations) if self.is_mirrored else rotations
        moved = np.einsum("nij,j->ni", rotations[:, :2], self.shift_angstrom)
        return Poses(rotations, poses.shifts_angstrom - moved)

    def describe(self) -> str:
        """Say how the two frames lie."""
        if not self.is_clear:
            return (
                "Frames: compared as they are; no other rotation brings more of the poses together "
                "than chance does."
            )
        length = float(np.linalg.norm(self.shift_angstrom))
        hand = "with the other hand (a mirror image)" if self.is_mirrored else "with the same hand"
        if not self.hand_is_clear:
            hand = "with the same hand as far as these views show"
        return (
            f"Frames: map B is map A turned by {self.angle_deg:.2f} degrees and moved by "
            f"{length:.2f} A, {hand}; {self.share:.1%} of the particles share it."
        )

    def as_json(self) -> dict[str, object]:
        """Return the frame as plain values."""
        return {
            "is_clear": self.is_clear,
            "rotation": self.rotation.tolist(),
            "angle_deg": self.angle_deg,
            "shift_angstrom": self.shift_angstrom.tolist(),
            "mirrored": self.is_mirrored,
            "hand_is_clear": self.hand_is_clear,
            "share": self.share,
            "width_deg": self.width_deg,
        }


@dataclass(frozen=True)
class _Mixture:
    """Rotations about ``rotation``: their share, their width, and what they gain over chance."""

    rotation: Floats
    share: float
    width_deg: float
    gain: float


def find_frame(a: Poses, b: Poses, group: ArrayLike, *, seed: int = 0) -> Frame:
    """Find how map B lies in map A, from poses of the same particles in both.

    ``group`` ``(g, 3, 3)`` is the symmetry of map A.
    """
    group = np.asarray(group, dtype=np.float64)
    rng = np.random.default_rng([seed, *b"frames"])
    rows = np.sort(rng.permutation(len(a))[:N_FINE])
    few = rng.permutation(rows)[:N_SAMPLE]

    def relative(chosen: np.ndarray, is_mirrored: bool) -> Floats:
        turned = _mirrored(b.rotations[chosen]) if is_mirrored else b.rotations[chosen]
        return np.asarray(np.swapaxes(turned, 1, 2) @ a.rotations[chosen])

    direct, mirror = (_found(relative(few, mirrored), group) for mirrored in (False, True))
    is_mirrored = mirror.gain > direct.gain + CLEAR_GAIN
    best = mirror if is_mirrored else direct
    is_clear = best.gain > CLEAR_GAIN and best.share * len(few) >= LEAST_AGREEING
    hand_is_clear = is_clear and abs(mirror.gain - direct.gain) > CLEAR_GAIN
    if not is_clear:
        width = best.width_deg
        return Frame(np.eye(3), np.zeros(3), False, False, best.share, width, False)
    turns = relative(rows, is_mirrored)
    best = _fitted(turns, best.rotation, group, best.width_deg)
    apart = angular_distance_deg(nearest_equivalent(turns, best.rotation, group), best.rotation)
    agree = apart < 3 * best.width_deg
    rotation = _least_turn(best.rotation, group)
    shift = _origin(a.shifts_angstrom[rows], b[rows], agree)
    return Frame(rotation, shift, is_mirrored, hand_is_clear, best.share, best.width_deg, True)


def _mirrored(rotations: Floats) -> Floats:
    """Return the poses ``S A S`` at which a map's mirror image in z looks the same."""
    signs = np.array([[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
    return np.asarray(rotations * signs)


def _found(relative: Floats, group: Floats) -> _Mixture:
    """Return what most of ``(n, 3, 3)`` agree about, up to the group."""
    n = min(N_CANDIDATES, len(relative))
    # tr(Q_i^T Q_j G^T) for all pairs: the largest over G tells how near two candidates are.
    equivalents = (relative[:n, None] @ group).reshape(n, -1, 9)
    flat = relative.reshape(-1, 9).T
    width = 2 * math.radians(FIRST_WIDTH_DEG) ** 2
    counts = np.array([np.exp(((each @ flat).max(0) - 3) / width).sum() for each in equivalents])
    starts = np.argsort(-counts, kind="stable")[:N_REFINED]
    mixtures = [_fitted(relative, relative[i], group, FIRST_WIDTH_DEG) for i in starts]
    return max(mixtures, key=lambda each: each.gain)


def _fitted(relative: Floats, rotation: Floats, group: Floats, width_deg: float) -> _Mixture:
    """Fit the mixture from a first rotation and width; densities are over all of SO(3), 8 pi^2."""
    bounds = math.radians(LEAST_WIDTH_DEG), math.radians(LARGEST_WIDTH_DEG)
    share, width, gain = 0.3, math.radians(width_deg), -math.inf
    log_chance = math.log(len(group) / (8 * math.pi**2))
    for _ in range(N_STEPS):
        near = nearest_equivalent(relative, rotation, group)
        squares = np.square(np.deg2rad(angular_distance_deg(near, rotation)))
        log_right = -0.5 * squares / width**2 - 1.5 * math.log(2 * math.pi * width**2) - log_chance
        log_odds = log_right + math.log(share / (1 - share))
        log_sum = np.logaddexp(0, log_odds)
        belongs = np.exp(log_odds - log_sum)
        before = gain
        gain = float((log_sum + math.log(1 - share)).sum())
        if gain - before < 1e-4 * max(1.0, abs(gain)) / len(relative) ** 0.5:
            break
        total = float(belongs.sum())
        share = min(max(total / len(relative), 1e-6), 1 - 1e-6)
        rotation = nearest_rotation((belongs[:, None, None] * near).sum(0))
        spread = math.sqrt(float((belongs * squares).sum()) / (3 * max(total, 1e-6)))
        width = min(max(spread, bounds[0]), bounds[1])
    return _Mixture(rotation, share, math.degrees(width), gain)


def _least_turn(rotation: Floats, group: Floats) -> Floats:
    """Return the rotation ``Q G`` of the least angle."""
    return nearest_equivalent(rotation, np.eye(3), group)


def _origin(a_shifts: Floats, b: Poses, agree: np.ndarray) -> Floats:
    """Return t of ``shift_A = shift_B + (B t)_xy``, by least absolute differences."""
    if agree.sum() < LEAST_AGREEING:
        return np.zeros(3)
    planes = b.rotations[agree, :2]
    difference = a_shifts[agree] - b.shifts_angstrom[agree]
    weight = np.ones(len(planes))
    origin = np.zeros(3)
    for _ in range(30):
        normal = np.einsum("n,nki,nkj->ij", weight, planes, planes)
        right = np.einsum("n,nki,nk->i", weight, planes, difference)
        # What the views do not tell stays 0.
        moved = np.linalg.pinv(normal, rcond=1e-3) @ right
        left = np.linalg.norm(difference - planes @ moved, axis=1)
        weight = 1 / np.maximum(left, 0.01)
        step = float(np.linalg.norm(moved - origin))
        origin = moved
        if step < 1e-4:
            break
    return origin
