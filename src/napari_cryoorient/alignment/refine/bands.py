"""The bands a refinement goes through, from what carries far to what is exact."""

from __future__ import annotations

from dataclasses import dataclass

# Radii in Fourier pixels of a particle as wide as the field of view; each further band is so many
# times as wide, so that the end in one lies within reach of the next.
FIRST_RADII = (4.6, 9.0)
GROWTH = 2.4


@dataclass(frozen=True)
class Band:
    """Radius in Fourier pixels, steps, and the largest turn of a step."""

    radius: float
    n_steps: int
    largest_turn_deg: float


def bands_up_to(radius: float, fill: float) -> tuple[Band, ...]:
    """Return the bands up to the whole one, for a particle that fills ``fill`` of the field."""
    narrow = [unit / fill for unit in FIRST_RADII]
    while narrow[-1] * GROWTH < radius:
        narrow.append(narrow[-1] * GROWTH)
    first, *further = [one for one in narrow if one < radius] or [radius]
    bands = [Band(first, 3, 10.0), *(Band(one, 3, 8.0) for one in further)]
    return (*bands, Band(radius, 4, 8.0))
