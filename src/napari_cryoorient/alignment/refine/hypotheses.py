"""Several hypotheses for each image: climbed together, and thinned out between the bands.

Hypothesis j belongs to image ``owner[j]``; an image may have any number of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.alignment.refine.gauss_newton import Hypotheses, gauss_newton
from napari_cryoorient.device import room_for

# Frequencies of all hypotheses that are looked at together: on a CPU, and at the most; each takes
# so many float32 on the way.
CPU_CHUNK, LARGEST_CHUNK, NUMBERS_EACH = 2**17, 2**26, 48


def climb(
    likelihood: ParticleLikelihood,
    data: BandData,
    owner: Tensor,
    rotations: Tensor,
    shifts_angstrom: Tensor,
    *,
    radius: float,
    n_steps: int,
    largest_turn_deg: float,
    trusted_part: float = 0.0,
) -> Hypotheses:
    """Climb from pose j on image ``owner[j]`` of ``data`` in the band of ``radius``."""
    m = likelihood.n_frequencies(radius)
    band = data.band(m)
    together = room_for(4 * NUMBERS_EACH, rotations.device, cpu=CPU_CHUNK, most=LARGEST_CHUNK)
    size = max(1, together // m)
    parts = []
    for start in range(0, len(owner), size):
        these = slice(start, start + size)
        parts.append(
            gauss_newton(
                likelihood,
                band[owner[these]],
                rotations[these],
                shifts_angstrom[these],
                n_steps=n_steps,
                largest_turn_deg=largest_turn_deg,
                trusted_part=trusted_part,
            )
        )
    return Hypotheses.joined(parts)


@dataclass(frozen=True)
class Thinning:
    """How many hypotheses an image may keep, and how much worse than its best they may be.

    A log-likelihood may be lower by ``deficit`` and by ``part`` of the best; hypotheses within
    ``distinct_deg`` of a better one are repeats of it.
    """

    n_kept: int
    deficit: float = 6.0
    part: float = 0.1
    distinct_deg: float = 8.0

    def allowed(self, best: Tensor) -> Tensor:
        """Return by how much a log-likelihood may be lower than the best ones ``(b,)``."""
        return self.deficit + self.part * best.clamp_min(0)


def thinned(
    at: Hypotheses,
    owner: Tensor,
    group: Tensor,
    rule: Thinning,
    log_prior: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the indices of the hypotheses to go on with, best first within each image.

    Second, ``(b,)``: the log of what the others, repeats left aside, weigh against the best.
    ``log_prior`` ``(q,)`` counts with the likelihoods.
    """
    scores = at.log_likelihood if log_prior is None else at.log_likelihood + log_prior
    _, index, is_there = by_image(scores, owner)
    padded = at.rotations[index]
    score = torch.where(is_there, scores[index], -torch.inf)
    distinct = distinct_first(padded, group, rule.distinct_deg, is_there)
    behind = score - score[:, :1]
    kept = distinct & (behind >= -rule.allowed(score[:, :1])) & (distinct.cumsum(1) <= rule.n_kept)
    lost = torch.where(distinct & ~kept, behind, -torch.inf).logsumexp(1)
    return index[kept], lost


def distinct_first(
    rotations: Tensor, group: Tensor, distinct_deg: float, is_there: Tensor | None = None
) -> Tensor:
    """Tell ``(b, k)`` which of the poses ``(b, k, 3, 3)`` are no repeats of one before them.

    Repeats lie within ``distinct_deg`` under the group ``(g, 3, 3)``; poses that are not there are
    none, and have none.
    """
    b, k = rotations.shape[:2]
    # tr(A^T B G^T), the largest over G, for all pairs of an image.
    equivalents = (rotations[:, :, None] @ group.transpose(1, 2)).flatten(3).flatten(1, 2)
    traces = rotations.flatten(2) @ equivalents.transpose(1, 2)
    near = traces.view(b, k, k, len(group)).amax(3) > 1 + 2 * math.cos(math.radians(distinct_deg))
    distinct = torch.ones_like(near[..., 0]) if is_there is None else is_there.clone()
    for rank in range(1, k):
        distinct[:, rank] &= ~(near[:, rank, :rank] & distinct[:, :rank]).any(1)
    return distinct


def by_image(log_likelihood: Tensor, owner: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Lay hypotheses out by image, best first.

    Returns the images ``(b,)`` that have any, indices ``(b, k)`` of their hypotheses, and where
    those are real, the rest being filled up.
    """
    order = torch.argsort(log_likelihood, descending=True, stable=True)
    order = order[torch.argsort(owner[order], stable=True)]
    images, counts = torch.unique_consecutive(owner[order], return_counts=True)
    first = counts.cumsum(0) - counts
    rank = torch.arange(int(counts.max()), device=owner.device)
    is_there = rank < counts[:, None]
    index = order[(first[:, None] + rank).clamp_max(len(order) - 1)]
    return images, index, is_there
