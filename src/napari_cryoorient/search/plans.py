"""How thorough a search is: the quick one every particle gets, and one for those left in doubt."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cryoorient.refine.hypotheses import Thinning


@dataclass(frozen=True)
class Stage:
    """One climb of all hypotheses in a band (None: the whole one) and what is left of them."""

    radius: float | None
    n_steps: int
    largest_turn_deg: float
    thinning: Thinning


@dataclass(frozen=True)
class Plan:
    """The band of the exhaustive stage in Fourier pixels, its cells to climb, and the climbs."""

    radius: float
    candidates: Thinning
    stages: tuple[Stage, ...]


QUICK = Plan(
    9.0,
    Thinning(64, deficit=6.0, part=0.2),
    (
        Stage(10.0, 2, 10.0, Thinning(16)),
        Stage(15.0, 3, 8.0, Thinning(6)),
        Stage(None, 4, 8.0, Thinning(4, deficit=12.0)),
    ),
)
# A pose that is not among the best in the narrow band often is in a wider one, and survives where
# more are climbed on (docs/search-and-refine.md).
THOROUGH = Plan(
    12.0,
    Thinning(64, deficit=6.0, part=0.2),
    (
        Stage(10.0, 2, 10.0, Thinning(48, deficit=10.0, part=0.2)),
        Stage(15.0, 3, 8.0, Thinning(12, deficit=10.0, part=0.15)),
        Stage(None, 4, 8.0, Thinning(4, deficit=12.0)),
    ),
)
# Particles with less confidence than this are searched thoroughly.
SURE = 0.95
