"""Which hand the map has that poses were found with, from images whose tilt is known.

With A the pose of a particle in an untilted image and B in one taken with the specimen turned by R,
``B G A^T = R`` for an element G of the symmetry, whatever the particle (Rosenthal and Henderson,
J. Mol. Biol. 333 (2003) 721).  Poses found with the mirror image of the molecule are ``S A S`` and
``S B S`` with ``S = diag(1, 1, -1)``: they give ``S R S``, the same axis and the other sense.

Without pairs the ice tells, where particles lie in it in a preferred way: with n its normal in the
image, ``A^T n`` gather about a few directions, and less so with the normal of the other sense.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.rotations import (
    angular_distance_deg,
    matrix_to_rotation_vector,
    nearest_rotation,
    rotation_vector_to_matrix,
)
from napari_cryoorient.particles import Poses, counted

Verdict = Literal["right", "mirrored", "cannot be told"]
# The two hands lie twice the tilt apart; closer ones are not told apart.
LEAST_TILT_DEG = 5.0
FEWEST = 10
# Pairs looked at, rotations tried for them, and the width at the start, in degrees about each axis.
MOST_PAIRS, N_CANDIDATES, N_STEPS = 2000, 400, 40
FIRST_WIDTH_DEG, LEAST_WIDTH_DEG, LARGEST_WIDTH_DEG = 5.0, 0.3, 15.0
# The logarithm of the likelihood has to gain so much by the rotation, and over the other hand's.
CLEAR_GAIN = 20.0
LEAST_SHARE = 0.1  # of the pairs have to agree: fewer may have something else in common
# Views in the ice are compared two by two, so many times the order of the group at most, with a
# kernel of ``exp(k cos)``; the two senses have to differ by so many standard errors.
MOST_COMPARED, CONCENTRATION, CLEAR_ERRORS = 4_000_000, 30.0, 5.0
MIRROR = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))


@dataclass(frozen=True)
class HandTest:
    """What a tilt tells of the hand.

    ``measured_tilt_deg`` and ``measured_axis_deg`` are those by which pairs are turned, nan without
    pairs; ``share`` of them agree in it.  ``clearness`` is the gain in log-likelihood over the
    other hand of pairs, and the number of standard errors between the two senses of views.
    """

    verdict: Verdict
    why: str
    n: int
    tilt_deg: float
    axis_deg: float
    measured_tilt_deg: float
    measured_axis_deg: float
    share: float
    clearness: float

    def describe(self) -> str:
        """Say it in a sentence or two."""
        if self.verdict == "right":
            return f"The map has the hand of the molecule: {self.why}."
        if self.verdict == "mirrored":
            return (
                f"WARNING: the map is the mirror image of the molecule: {self.why}. Mirror the map "
                "and search again."
            )
        return f"The hand cannot be told: {self.why}."

    def summary(self) -> dict[str, Any]:
        """Return the figures by name, as ``hand --json`` does."""
        names = (
            *("n", "tilt_deg", "axis_deg", "measured_tilt_deg", "measured_axis_deg"),
            *("share", "clearness"),
        )
        values = {name: getattr(self, name) for name in names}
        known = {k: None if isinstance(v, float) and v != v else v for k, v in values.items()}
        return {"hand": self.verdict, "sentence": self.describe(), **known}


def tilt_rotation(tilt_deg: float, axis_deg: float) -> Tensor:
    """Return the turn ``(3, 3)`` by a tilt about an axis in the image, from x towards y."""
    axis = math.radians(axis_deg)
    vector = torch.tensor([math.cos(axis), math.sin(axis), 0.0], dtype=torch.float64)
    return rotation_vector_to_matrix(math.radians(tilt_deg) * vector)


def hand_of_pairs(
    untilted: Poses, tilted: Poses, group: Tensor, tilt_deg: float, axis_deg: float | None
) -> HandTest:
    """Tell the hand from poses of the same particles, row for row, in two images.

    The second ones were taken with the specimen turned by ``tilt_deg`` about ``axis_deg`` against
    the first.  Without the axis the pairs tell where it lies, but not the hand.  Raises InputError
    for too few pairs or too small a tilt.
    """
    n = len(tilted)
    _refuse(n, tilt_deg, "tilt pair")
    rows = np.unique(np.linspace(0, n - 1, MOST_PAIRS).astype(np.int64))
    before, after = (torch.from_numpy(each.rotations[rows]) for each in (untilted, tilted))
    turns = after[:, None] @ group.double() @ before.transpose(1, 2)[:, None]
    rotation, width, share = _common_turn(turns)
    gain = _gain(turns, rotation, width, share)
    advantage = gain - _gain(turns, MIRROR @ rotation @ MIRROR, width, share)
    vector = matrix_to_rotation_vector(rotation)
    measured_tilt = math.degrees(float(vector.norm()))
    measured_axis = math.degrees(math.atan2(float(vector[1]), float(vector[0])))
    found = (n, tilt_deg, math.nan if axis_deg is None else axis_deg)
    figures = (measured_tilt, measured_axis, share, advantage)
    if gain < CLEAR_GAIN or share < LEAST_SHARE:
        why = (
            "no turn is common to the pairs; they are not paired rightly, or their poses are wrong"
        )
        return HandTest("cannot be told", why, *found, math.nan, math.nan, share, advantage)
    measured = (
        f"{share:.0%} of {n} pairs are turned by {measured_tilt:.1f} degrees about an axis at "
        f"{measured_axis:.0f} degrees"
    )
    if axis_deg is None:
        why = (
            f"{measured}, or the other way round if the map is a mirror image; name the axis "
            "(--axis)"
        )
        return HandTest("cannot be told", why, *found, *figures)
    either = [
        float(angular_distance_deg(rotation, tilt_rotation(sign * tilt_deg, axis_deg)))
        for sign in (1, -1)
    ]
    expected = f"{tilt_deg:g} about {axis_deg:g}"
    if min(either) > abs(tilt_deg) / 2:
        why = f"{measured}, which is neither {expected} nor the reverse"
        return HandTest("cannot be told", why, *found, *figures)
    if advantage < CLEAR_GAIN:
        why = f"{measured}, and nearly as many the other way round"
        return HandTest("cannot be told", why, *found, *figures)
    is_right = either[0] < either[1]
    why = f"{measured}, as a tilt of {expected} has it"
    if not is_right:
        why = f"{measured}, the reverse of a tilt of {expected}"
    return HandTest("right" if is_right else "mirrored", why, *found, *figures)


def hand_of_views(poses: Poses, group: Tensor, tilt_deg: float, axis_deg: float) -> HandTest:
    """Tell the hand from poses in images of a specimen tilted by ``tilt_deg`` about ``axis_deg``.

    It shows where particles lie in the ice in a preferred way, either side up.  Raises InputError
    for too few particles or too small a tilt.
    """
    n = len(poses)
    _refuse(n, tilt_deg, "particle")
    most = math.isqrt(MOST_COMPARED // len(group))
    rows = np.unique(np.linspace(0, n - 1, most).astype(np.int64))
    rotations = torch.from_numpy(poses.rotations[rows])
    densities = [
        _log_density(
            rotations.transpose(1, 2) @ tilt_rotation(sign * tilt_deg, axis_deg)[:, 2], group
        )
        for sign in (1, -1)
    ]
    differences = densities[0] - densities[1]
    error = float(differences.std()) / len(rows) ** 0.5
    z = float(differences.mean()) / max(error, 1e-12)
    figures = (n, tilt_deg, axis_deg, math.nan, math.nan, math.nan, abs(z))
    said = (
        f"a tilt of {tilt_deg:g} about {axis_deg:g} degrees lets {counted(n, 'particle')} lie in "
        "the ice"
    )
    if abs(z) < CLEAR_ERRORS:
        why = f"{said} no more alike than its reverse does; they lie in it every way, or not tilted"
        return HandTest("cannot be told", why, *figures)
    if z > 0:
        why = f"{said} more alike than its reverse does, by {z:.0f} standard errors"
        return HandTest("right", why, *figures)
    why = f"{said} less alike than its reverse does, by {-z:.0f} standard errors"
    return HandTest("mirrored", why, *figures)


def _refuse(n: int, tilt_deg: float, what: str) -> None:
    if abs(tilt_deg) < LEAST_TILT_DEG or abs(tilt_deg) > 180 - LEAST_TILT_DEG:
        raise InputError(
            f"A tilt of {tilt_deg:g} degrees does not tell the two hands apart; "
            f"{LEAST_TILT_DEG:g} are needed at least."
        )
    if n < FEWEST:
        raise InputError(f"{counted(n, what)} cannot tell the hand; {FEWEST} are needed at least.")


def _common_turn(turns: Tensor) -> tuple[Tensor, float, float]:
    """Return the rotation most of ``turns`` ``(n, g, 3, 3)`` share, its width in degrees, share.

    One of the g of a pair is meant.  Expectation and maximisation from the best of some of them.
    """
    n, g = turns.shape[:2]
    flat = turns.flatten(0, 1)
    few = torch.from_numpy(np.unique(np.linspace(0, n * g - 1, N_CANDIDATES).astype(np.int64)))
    gains = [_gain(turns, flat[i], FIRST_WIDTH_DEG, 0.5) for i in few.tolist()]
    rotation = flat[few[int(np.argmax(gains))]]
    width, share = FIRST_WIDTH_DEG, 0.5
    for _ in range(N_STEPS):
        density = _densities(turns, rotation, width)
        right = share * density.mean(1)
        belongs = right / (right + 1 - share)
        weight = belongs[:, None] * density / density.sum(1, keepdim=True).clamp_min(1e-300)
        rotation = nearest_rotation((weight[..., None, None] * turns).sum((0, 1)))
        squared = torch.deg2rad(angular_distance_deg(turns, rotation)).square()
        variance = float((weight * squared).sum() / (3 * weight.sum()).clamp_min(1e-12))
        width = math.degrees(math.sqrt(variance))
        width = min(max(width, LEAST_WIDTH_DEG), LARGEST_WIDTH_DEG)
        share = min(max(float(belongs.mean()), 1 / n), 1 - 0.5 / n)
    return rotation, width, share


def _densities(turns: Tensor, rotation: Tensor, width_deg: float) -> Tensor:
    """Return the density of each turn ``(n, g)`` about a rotation, over that of rotations anywhere.

    They are distributed normally, narrow against the whole group of rotations.
    """
    width = math.radians(width_deg)
    scale = 8 * math.pi**2 / ((2 * math.pi) ** 1.5 * width**3)
    angles = torch.deg2rad(angular_distance_deg(turns, rotation))
    density: Tensor = scale * (-0.5 * (angles / width).square()).exp()
    return density


def _gain(turns: Tensor, rotation: Tensor, width_deg: float, share: float) -> float:
    """Return the log-likelihood of pairs over that of pairs that have nothing in common."""
    density = _densities(turns, rotation, width_deg).mean(1)
    return float((1 - share + share * density).log().sum())


def _log_density(directions: Tensor, group: Tensor) -> Tensor:
    """Return the log of how many of the other axes ``(n, 3)`` lie about each, up to a constant."""
    total = torch.zeros(len(directions), len(directions), dtype=torch.float64)
    for element in group.double():
        cosines = (directions @ (directions @ element.T).T).abs()
        total += (CONCENTRATION * (cosines - 1)).exp()
    total.fill_diagonal_(0)
    found: Tensor = (total.mean(1) + 1e-12).log()
    return found
