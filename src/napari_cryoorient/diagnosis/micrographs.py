"""Particles by micrograph: how many, how sure, where in focus, seen from where; outliers first.

Each figure of a micrograph is compared with those of all.  A deviation counts in standard
deviations, of which a few particles have many by chance: the error of their mean is added to the
spread among micrographs, which is taken from the median absolute deviation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_cryoorient.diagnosis.comparison import Groups
from napari_cryoorient.geometry.euler import matrix_to_euler_zyz_deg
from napari_cryoorient.particles import Floats, Integers, Poses, counted

REASONS = ("count", "confidence", "defocus", "views", "in-plane angles")
# Deviations from which on a micrograph is called an outlier.
OUTLYING = 5.0
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, eq=False, repr=False)
class MicrographFigures:
    """Micrographs ``names`` ``(m,)`` with the figures of their particles, each ``(m,)``.

    ``view_spread_deg`` is the arc cosine of the length of the mean viewing direction: 0 where all
    are seen from one side, 90 where from all sides alike.  ``in_plane_alignment`` is the length of
    the mean of ``exp(i psi)``: 0 where particles lie at any angle, 1 where at one.
    ``deviations`` ``(m, 5)`` are those of ``REASONS``.  Confidence and defocus are None where a
    file has none.  ``n_named`` is how many of the worst are named.
    """

    names: tuple[str, ...]
    n: Integers
    mean_confidence: Floats | None
    mean_defocus_angstrom: Floats | None
    view_spread_deg: Floats
    in_plane_alignment: Floats
    deviations: Floats
    n_named: int = 10

    def __len__(self) -> int:
        return len(self.names)

    @property
    def score(self) -> Floats:
        """The largest deviation ``(m,)``."""
        return np.asarray(self.deviations.max(axis=1))

    @property
    def order(self) -> Integers:
        """Places of the micrographs ``(m,)``, outliers first."""
        return np.argsort(-self.score, kind="stable")

    @property
    def n_outlying(self) -> int:
        """How many micrographs deviate clearly."""
        return int((self.score > OUTLYING).sum())

    def why(self, index: int) -> str:
        """Say by which figure a micrograph deviates most."""
        return REASONS[int(self.deviations[index].argmax())]

    def row(self, index: int) -> dict[str, Any]:
        """Return a micrograph's figures by name."""
        confidence, defocus = self.mean_confidence, self.mean_defocus_angstrom
        return {
            "name": self.names[index],
            "n": int(self.n[index]),
            "mean_confidence": None if confidence is None else float(confidence[index]),
            "mean_defocus_angstrom": None if defocus is None else float(defocus[index]),
            "view_spread_deg": float(self.view_spread_deg[index]),
            "in_plane_alignment": float(self.in_plane_alignment[index]),
            "deviation": float(self.score[index]),
            "why": self.why(index),
        }

    def summary(self) -> dict[str, Any]:
        """Return the figures by name, the worst micrographs among them."""
        return {
            "micrographs": len(self),
            "particles": int(self.n.sum()),
            "median_particles": float(np.median(self.n)),
            "outlying": self.n_outlying,
            "worst": [self.row(i) for i in self.order[: self.n_named].tolist()],
        }

    def describe(self) -> str:
        """Say how many micrographs deviate, and name the worst with their reasons."""
        lines = [
            f"{counted(int(self.n.sum()), 'particle')} on {counted(len(self), 'micrograph')}, "
            f"{np.median(self.n):g} in the median; {counted(self.n_outlying, 'micrograph')} more "
            f"than {OUTLYING:g} standard deviations from the others."
        ]
        for i in self.order[: min(self.n_named, self.n_outlying)].tolist():
            lines.append(
                f"  {self.score[i]:6.1f}  {self.why(i)}: {self.names[i]} "
                f"({counted(int(self.n[i]), 'particle')})"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"MicrographFigures({counted(len(self), 'micrograph')}, {self.n_outlying} outlying)"


def micrograph_figures(
    poses: Poses,
    micrographs: Groups,
    *,
    confidence: Floats | None = None,
    defocus_angstrom: Floats | None = None,
) -> MicrographFigures:
    """Gather particles ``(n,)`` by micrograph; micrographs without any are left out."""
    used, group_of = np.unique(micrographs.group_of, return_inverse=True)
    group_of, m = group_of.ravel(), len(used)
    n = np.bincount(group_of, minlength=m)

    def mean(values: Floats) -> Floats:
        return np.asarray(np.bincount(group_of, values, minlength=m) / n)

    views = poses.rotations[:, 2]
    mean_views = np.stack([mean(views[:, axis]) for axis in range(3)], axis=1)
    psi = np.radians(matrix_to_euler_zyz_deg(poses.rotations)[:, 2])
    alignment = np.hypot(mean(np.cos(psi)), mean(np.sin(psi)))
    deviations = np.zeros((m, len(REASONS)))
    deviations[:, 0] = np.abs(_deviations(np.sqrt(n), np.full(m, 0.5)))  # Poisson's square root
    confidences = focus = None
    if confidence is not None:
        confidences = mean(confidence)
        error = float(confidence.std()) / np.sqrt(n)
        deviations[:, 1] = np.maximum(-_deviations(confidences, error), 0)  # sure is no fault
    if defocus_angstrom is not None:
        focus = mean(defocus_angstrom)
        deviations[:, 2] = np.abs(_deviations(focus, np.zeros(m)))
    apart = views.mean(axis=0) - mean_views
    # Of even views chi squared with three degrees of freedom; of in-plane angles with two.
    covariance = np.cov(views.T) + 1e-6 * np.eye(3) if len(views) > 1 else np.eye(3)
    distance = n * np.einsum("mi,ij,mj->m", apart, np.linalg.inv(covariance), apart)
    deviations[:, 3] = np.maximum((distance - 3) / math.sqrt(6), 0)
    deviations[:, 4] = np.maximum((2 * n * alignment**2 - 2) / 2, 0)
    # Tails of chi squared are longer than a normal distribution's; the root is nearly normal.
    deviations[:, 3:] = np.sqrt(2 * deviations[:, 3:])
    return MicrographFigures(
        names=tuple(micrographs.names[i] for i in used),
        n=n,
        mean_confidence=confidences,
        mean_defocus_angstrom=focus,
        view_spread_deg=np.degrees(np.arccos(np.clip(np.linalg.norm(mean_views, axis=1), 0, 1))),
        in_plane_alignment=alignment,
        deviations=deviations,
    )


def _deviations(values: Floats, errors: Floats) -> Floats:
    """Return how many standard deviations values ``(m,)`` lie above their median."""
    middle = np.median(values)
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(values - middle)))
    least = 1e-9 * max(abs(float(middle)), 1e-30)
    return np.asarray((values - middle) / np.maximum(np.hypot(spread, errors), least))
