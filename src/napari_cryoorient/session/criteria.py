"""What particles are ranked by: the unit, the spelling and the better end of each figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_cryoorient.particles import Floats

Criterion = Literal[
    "angle difference",
    "shift difference",
    "probability of A",
    "angular error",
    "shift error",
    "confidence",
    "particle is there",
    "pose is right",
    "correlation",
]
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Measure:
    """How a figure of a particle is spelled, and which end of it is the better one.

    ``unit`` stands behind the number as it is, with its space if it takes one.
    """

    unit: str
    decimals: int
    is_higher_better: bool

    @property
    def format(self) -> str:
        """The format specification of the number."""
        return f".{self.decimals}f"


_ANGLE = Measure("\N{DEGREE SIGN}", 1, is_higher_better=False)
_SHIFT = Measure(" Å", 1, is_higher_better=False)
_PROBABILITY = Measure("", 2, is_higher_better=True)
# In the order in which they are offered; there is no default, so that none ranks upside down.
CRITERIA: dict[Criterion, Measure] = {
    "angle difference": _ANGLE,
    "shift difference": _SHIFT,
    "probability of A": _PROBABILITY,
    "angular error": _ANGLE,
    "shift error": _SHIFT,
    "confidence": _PROBABILITY,
    "particle is there": _PROBABILITY,
    "pose is right": _PROBABILITY,
    "correlation": Measure("", 3, is_higher_better=True),
}


def figure_of(criterion: Criterion, value: float) -> str:
    """Spell a figure of a particle with its unit."""
    if not np.isfinite(value):
        return UNKNOWN
    measure = CRITERIA[criterion]
    return f"{value:{measure.format}}{measure.unit}"


def as_shown(criterion: Criterion, values: Floats) -> Floats:
    """Round figures as they are shown, so that what is compared is what is read."""
    return np.asarray(np.round(values, CRITERIA[criterion].decimals))


def column_title(criterion: Criterion) -> str:
    """Return the criterion with its unit in parentheses, as it stands over a column."""
    unit = CRITERIA[criterion].unit.strip()
    return f"{criterion} ({unit})" if unit else criterion
