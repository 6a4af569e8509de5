"""How evenly a set of views samples Fourier space: the sampling compensation factor, empty cones.

A projection along v fills the slab of unit width through the origin normal to v.  On the sphere of
radius R = 50 Fourier pixels the direction k is sampled ``s(k)`` times, the number of views with
``|k . v| < 1 / (2 R)``, out of 10,000 (or of all, if there are fewer).  A share q of the directions
is empty, sampled less than once; with p = 1 - q, averages over the others, and M the mean of s over
all,

    1 / SCF  = <s> <1 / s>
    SCF*     = S / (1 + q / p M S / 2),  S = SCF / p

SCF is 1 for even views and ``8 / pi^2 = 0.81`` for side views all around; SCF* is the same where
nothing is empty.  (Baldwin and Lyumkis, Prog. Biophys. Mol. Biol. 150 (2020) 160 and 160 (2021) 53;
SCF* and 10,000 views as in their program.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_cryoorient.geometry.grids import view_directions
from napari_cryoorient.particles import Floats

RADIUS, MOST_VIEWS = 50, 10_000
SUFFICIENT = 0.81
# Views counted, equivalents among them, and directions of a hemisphere they are counted at.
N_COUNTED, N_DIRECTIONS = 200_000, 3000
_POINTS_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class MissingCone:
    """An empty double cone in Fourier space about ``axis`` ``(3,)``."""

    axis: Floats
    half_angle_deg: float


@dataclass(frozen=True, eq=False)
class Sampling:
    """How often directions ``(k, 3)`` are sampled, ``(k,)`` of 10,000 views, by ``n_views``."""

    directions: Floats
    counts: Floats
    n_views: int

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """Which directions ``(k,)`` are sampled less than once."""
        return np.asarray(self.counts < 1 - 1e-9)

    @property
    def empty_share(self) -> float:
        """Part of the directions that is empty."""
        return float(self.is_empty.mean())

    @property
    def scf(self) -> float:
        """The sampling compensation factor of the directions that are not empty."""
        sampled = self.counts[~self.is_empty]
        if not len(sampled):
            return 0.0
        return float(1 / (sampled.mean() * np.mean(1 / sampled)))

    @property
    def scf_star(self) -> float:
        """The same with empty directions counted in."""
        empty = self.empty_share
        if empty >= 1:
            return 0.0
        scf = self.scf / (1 - empty)
        # Of a few views alone, which hardly overlap, the formula makes more than 1.
        return min(scf / (1 + empty / (1 - empty) * float(self.counts.mean()) * scf / 2), 1.0)

    @property
    def scf_of_even_views(self) -> float:
        """What as many views drawn evenly would have: less than 1, for chance makes them uneven.

        Their counts are Poisson distributed.
        """
        mean = self.n_views / (2 * RADIUS)
        if mean > 700:
            return 1 - 1 / mean
        counts = np.arange(1, int(mean + 12 * math.sqrt(mean) + 12))
        weight = np.exp(counts * math.log(mean) - np.cumsum(np.log(counts)) - mean)
        return float(weight.sum() ** 2 / ((weight * counts).sum() * (weight / counts).sum()))

    @property
    def missing_cone(self) -> MissingCone | None:
        """The empty double cone, where what is empty is one."""
        empty = self.directions[self.is_empty]
        if len(empty) < 0.002 * len(self.directions):
            return None
        _, axes = np.linalg.eigh(empty.T @ empty)
        half_angle = math.acos(1 - self.empty_share)
        inside = np.abs(empty @ axes[:, 2]) > math.cos(1.1 * half_angle)
        if inside.mean() < 0.9:
            return None
        return MissingCone(axes[:, 2], math.degrees(half_angle))


def sampling_of(
    views: Floats, group: Tensor, *, n_counted: int = N_COUNTED, seed: int = 0
) -> Sampling:
    """Count how often each direction is sampled by views ``(n, 3)`` and their equivalents.

    ``group`` ``(g, 3, 3)`` is the symmetry.  Of more than ``n_counted`` views so many are drawn.
    """
    n_views = len(views) * len(group)
    if n_views <= n_counted:
        across = np.einsum("gij,nj->gni", group.numpy(), views).reshape(-1, 3)
    else:
        # Each once at the most: a view drawn twice would be an unevenness of the drawing.
        rng = np.random.default_rng([seed, *b"views"])
        drawn = np.sort(rng.choice(n_views, n_counted, replace=False))
        rows, elements = np.divmod(drawn, len(group))
        across = np.einsum("nij,nj->ni", group.numpy()[elements], views[rows])
    # The half sphere whatever the symmetry: directions on the edges of an asymmetric unit, among
    # them its axes, belong to it in part alone.
    directions = view_directions(math.degrees(math.sqrt(2 * math.pi / N_DIRECTIONS)))
    directions = directions[directions[:, 2] > 0]
    points, normals = directions.float(), torch.from_numpy(across).float().t().contiguous()
    counts = torch.zeros(len(points), dtype=torch.float64)
    size = max(1, _POINTS_AT_ONCE // len(points))
    for start in range(0, len(across), size):
        near = (points @ normals[:, start : start + size]).abs_() < 1 / (2 * RADIUS)
        counts += near.sum(1)
    scale = min(n_views, MOST_VIEWS) / len(across)
    return Sampling(directions.numpy(), counts.numpy() * scale, n_views)
