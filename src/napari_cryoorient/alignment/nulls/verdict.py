"""What a trial against nulls means, in figures and one plain sentence.

Two differences of mean correlations decide.  Particles and images without the molecule, both
against the map: whether there is anything to see of it.  Map and maps without structure, and that
over the same for images without the molecule: whether what is seen is this map.  Each is told as a
part of what the control gives, which does not grow with the number of particles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_cryoorient.alignment.nulls.trial import LEAST_SNR, NullTrial
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.particles import Floats

Outcome = Literal["explained", "pure noise", "another molecule", "undecided"]
# Differences are clear from so many of their standard errors on; below this part of the control's
# they count as none however many particles there are: against images without the molecule, which a
# foreign map beats a little too, and against maps without structure.
CLEAR, LEAST_OF_IMAGES, LEAST_OF_MAPS = 3.5, 0.05, 0.15
# The control has to be seen by so many standard errors for its absence to mean anything.
VISIBLE = 5.0
# A map does not explain the particles where the part, two standard errors more, is below the first,
# or below the second while the difference is not clear.  Right maps reach 0.3 and more.
LOW_PART, UNCLEAR_PART = 0.25, 0.4
FEWEST = 8
# A look at a part of the particles ends the matter where the map explains them by so many standard
# errors, and for at least ``LOW_PART`` of what a right map would give.
SETTLED = 5.0


@dataclass(frozen=True)
class Difference:
    """A difference of mean correlations, its standard error, and the control's of the same kind."""

    mean: float
    error: float
    control: float
    control_error: float

    @property
    def z(self) -> float:
        """The difference in standard errors."""
        return self.mean / max(self.error, 1e-30)

    @property
    def control_z(self) -> float:
        """The control's difference in standard errors."""
        return self.control / max(self.control_error, 1e-30)

    @property
    def part(self) -> float:
        """The difference as a part of the control's."""
        return self.mean / self.control if self.control > 0 else float("nan")

    @property
    def part_error(self) -> float:
        """Standard error of the part."""
        if self.control <= 0:
            return float("inf")
        return float(np.hypot(self.error, self.part * self.control_error)) / self.control

    def is_clear(self, least_part: float) -> bool:
        """Whether there is a difference worth the name."""
        return self.z >= CLEAR and self.part >= least_part


@dataclass(frozen=True)
class NullVerdict:
    """The outcome; ``images`` compares with images without the molecule, ``maps`` with decoys."""

    outcome: Outcome
    images: Difference
    maps: Difference
    n: int

    @property
    def is_doubt(self) -> bool:
        """Whether the particles do not show the map."""
        return self.outcome in ("pure noise", "another molecule")

    @property
    def is_settled(self) -> bool:
        """Whether the map explains the particles so clearly that more of them need not be asked."""
        return (
            self.outcome == "explained"
            and min(self.images.z, self.maps.z) >= SETTLED
            and self.maps.part >= LOW_PART
        )

    def describe(self) -> str:
        """Say it in one sentence."""
        if self.outcome == "pure noise":
            return (
                "These images show nothing, pure noise as far as this map shows: it fits them no "
                f"better than images without a particle; a signal of SNR {LEAST_SNR:g} would show."
            )
        if self.outcome == "another molecule":
            return (
                "These particles do not show this map: maps of random detail fit them as well; "
                "they are of another molecule, or the map is wrong."
            )
        if self.outcome == "explained":
            return (
                "The map explains these particles: they fit it better than maps of random detail, "
                f"by {self.maps.part:.0%} of what a right map would give, and better than images "
                "without a particle do."
            )
        return (
            f"It cannot be told with so few particles ({self.n}), or such noisy ones, whether "
            "they show this map."
        )


def verdict_of(trial: NullTrial) -> NullVerdict:
    """Judge a trial."""
    images = Difference(
        *_difference(trial.particles, trial.null), *_difference(trial.control, trial.null)
    )
    null = _excess(trial.null, trial.null_decoys)
    maps = Difference(
        *_between(_excess(trial.particles, trial.decoys), null),
        *_between(_excess(trial.control, trial.control_decoys), null),
    )
    n = len(trial.particles.rows)
    return NullVerdict(judged(images, maps, n), images, maps, n)


def judged(images: Difference, maps: Difference, n: int) -> Outcome:
    """Return the outcome that the differences found of ``n`` particles mean."""
    if n < FEWEST:
        return "undecided"
    if not images.is_clear(LEAST_OF_IMAGES):
        return "pure noise" if images.control_z >= VISIBLE else "undecided"
    if maps.control_z < VISIBLE:
        return "undecided"
    is_better = maps.is_clear(LEAST_OF_MAPS)
    limit = LOW_PART if is_better else UNCLEAR_PART
    if maps.part + 2 * maps.part_error < limit:
        return "another molecule"
    return "explained" if is_better else "undecided"


def _excess(found: FoundPoses, decoys: tuple[FoundPoses, ...]) -> Floats:
    """Return by how much each image fits the map better than the decoys, on the mean."""
    of_decoys = np.mean([decoy.correlation for decoy in decoys], axis=0)
    return np.asarray(found.correlation - of_decoys)


def _difference(a: FoundPoses, b: FoundPoses) -> tuple[float, float]:
    return _between(a.correlation, b.correlation)


def _between(a: Floats, b: Floats) -> tuple[float, float]:
    """Return the difference of two means and its standard error."""
    variance = a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)
    return float(a.mean() - b.mean()), float(np.sqrt(variance))
