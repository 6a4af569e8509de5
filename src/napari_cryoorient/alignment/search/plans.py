"""How thorough a search is: the quick one every particle gets, and one for those left in doubt.

Bands follow the information that the stack holds (``information``): the first rung is as
wide as a pose needs to stand out, the last one holds nearly all there is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_cryoorient.alignment.information import Information
from napari_cryoorient.alignment.refine.hypotheses import Thinning

# Particles with less confidence than this are searched thoroughly.
SURE = 0.95
# Between the last rung and the whole band, each band is so many times as wide as the one before.
WIDENED = 1.6
# A climb of a search ends with a step that promises less than this part of the log-likelihood: a
# twentieth of it is left then, where a true pose lies 2.5 below the best one. What weak images
# promise is further from the truth.
TRUSTED_PART = 0.01


@dataclass(frozen=True)
class Stage:
    """One climb of all hypotheses in a band (None: the whole one) and what is left of them."""

    radius: float | None
    n_steps: int
    largest_turn_deg: float
    thinning: Thinning


@dataclass(frozen=True)
class Rung:
    """A band in Fourier pixels, and how many views are compared in it; the first takes all."""

    radius: float
    n_views: int = 0


@dataclass(frozen=True)
class Plan:
    """The rungs, the cells of the last one, the poses among them to climb, and the climbs."""

    rungs: tuple[Rung, ...]
    n_cells: int
    candidates: Thinning
    stages: tuple[Stage, ...]


def quick_plan(information: Information) -> Plan:
    """Return the plan for every particle."""
    unit = 1 / information.fill
    first = min(max(information.radius_holding(28.0), 6.0 * unit), 12.0 * unit)
    last = min(max(information.radius_holding(0.85 * information.total), first), 1.6 * first)
    rungs = (Rung(first),) if last < 1.2 * first else (Rung(first), Rung(last, 64))
    return Plan(
        rungs,
        48,
        Thinning(8, deficit=8.0, part=0.15),
        (
            Stage(last, 2, 10.0, Thinning(2, deficit=8.0)),
            *_widening(last, information),
            Stage(None, 2, 8.0, Thinning(2, deficit=12.0)),
        ),
    )


def _widening(radius: float, information: Information) -> list[Stage]:
    """Return the stages between a band and the whole one: a step in each is enough."""
    whole = float(information.radii[-1])
    stages = []
    while (radius := radius * WIDENED) < 0.9 * whole:
        stages.append(Stage(radius, 1, 8.0, Thinning(3, deficit=10.0)))
    return stages


def thorough_plan(information: Information) -> Plan:
    """Return the plan for particles in doubt: its bands are for those that tell the least."""
    information = information.of_least()
    unit = 1 / information.fill
    enough = min(0.9 * information.total, 80.0)
    widest = min(information.radius_holding(enough), 20.0 * unit)
    first = min(max(information.radius_holding(36.0), 9.5 * unit), 14.0 * unit)
    widest = max(widest, first)
    rungs = [Rung(first)]
    if widest > 1.15 * first:
        rungs.append(Rung(widest, 192))
    return Plan(
        tuple(rungs),
        96,
        Thinning(8, deficit=10.0, part=0.2),
        (
            Stage(widest, 2, 10.0, Thinning(3, deficit=10.0, part=0.15)),
            *_widening(widest, information),
            Stage(None, 2, 8.0, Thinning(4, deficit=12.0)),
        ),
    )


def from_proposals(plan: Plan, n_views: int) -> Plan:
    """Return a plan that begins with ``n_views`` proposed views, in the band of its last rung."""
    return replace(plan, rungs=(Rung(plan.rungs[-1].radius, n_views),))
