"""The doubt that nulls raise about a search, from a few of its particles."""

from __future__ import annotations

import numpy as np
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.nulls.trial import try_nulls
from napari_cryoorient.alignment.nulls.verdict import FEWEST, verdict_of
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.pairing import PairedInputs
from napari_cryoorient.stack.statistics import StackStatistics

# A search asks one particle of so many, where that makes so many at least, and no more than the
# last.  Each is searched nine times for it, without a second look, and maps are made ready: 8 to
# 11% of the search of 6000 particles (box 64), under 5% from 32,000 on (docs/trust.md).
ONE_OF, FEWEST_ASKED, MOST_ASKED = 250, 24, 96


def n_to_ask(n_searched: int) -> int:
    """Return how many particles of a search are asked; 0 where that would take too long."""
    n = n_searched // ONE_OF
    return 0 if n < FEWEST_ASKED else min(n, MOST_ASKED)


def doubt_by_nulls(
    inputs: PairedInputs,
    symmetry: str,
    device: torch.device,
    *,
    radius: float | None = None,
    statistics: StackStatistics | None = None,
    shift_reach_angstrom: float | None = None,
    seed: int = 0,
    reporter: Reporter = SILENT,
) -> str | None:
    """Return a sentence where particles, all those of ``inputs``, show nothing or another map.

    None where they show this one, or nothing can be told.  ``statistics`` are those of a larger
    stack that they belong to.  Raises Stopped.
    """
    usable = inputs.particles.usable_rows()
    if len(usable) < FEWEST:
        return None
    few = inputs.particles.subset(usable)
    trial = try_nulls(
        inputs.density,
        ParticleLikelihood(inputs.density, few, device, radius=radius, statistics=statistics),
        np.arange(len(few), dtype=np.int64),
        symmetry_matrices(symmetry),
        shift_reach_angstrom=shift_reach_angstrom,
        seed=seed,
        reporter=reporter,
    )
    verdict = verdict_of(trial)
    return verdict.describe() if verdict.is_doubt else None
