"""The doubt that nulls raise about a search, from a few of its particles."""

from __future__ import annotations

import numpy as np

from napari_cryoorient.alignment.nulls.trial import NullSearches
from napari_cryoorient.alignment.nulls.verdict import FEWEST, NullVerdict, verdict_of
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.particles import DensityMap, Integers
from napari_cryoorient.reporting import SILENT, Reporter

# A search asks one particle of so many, where that makes so many at least, and no more than the
# last: 3 to 4% of the time of a search of 6000 particles (box 64; docs/trust.md).
ONE_OF, FEWEST_ASKED, MOST_ASKED = 250, 24, 96
# So many are asked first: where the map explains them beyond doubt, no more are.
FIRST_LOOK = 12


def n_to_ask(n_searched: int) -> int:
    """Return how many particles of a search are asked; 0 where that would take too long."""
    n = n_searched // ONE_OF
    return 0 if n < FEWEST_ASKED else min(n, MOST_ASKED)


def doubt_by_nulls(
    density: DensityMap, search: GlobalSearch, *, seed: int = 0, reporter: Reporter = SILENT
) -> str | None:
    """Return a sentence where particles show nothing or another map.

    None where they show this one, or nothing can be told.  As for ``verdict_by_nulls``.
    """
    rows = search.likelihood.particles.usable_rows()
    if len(rows) < FEWEST:
        return None
    verdict = verdict_by_nulls(density, search, rows, seed=seed, reporter=reporter)
    return verdict.describe() if verdict.is_doubt else None


def verdict_by_nulls(
    density: DensityMap,
    search: GlobalSearch,
    rows: Integers,
    *,
    seed: int = 0,
    reporter: Reporter = SILENT,
) -> NullVerdict:
    """Try particles ``rows`` of a search with ``density``, its map: a few first, then all of them.

    What the search has learned of its stack holds here.  Raises Stopped.
    """
    searches = NullSearches(density, search, seed=seed)
    if len(rows) > FIRST_LOOK:
        few = rows[np.linspace(0, len(rows) - 1, FIRST_LOOK).astype(np.int64)]
        verdict = verdict_of(searches.trial(few, reporter=reporter))
        if verdict.is_settled:
            return verdict
    return verdict_of(searches.trial(rows, reporter=reporter))
