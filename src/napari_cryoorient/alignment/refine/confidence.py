"""The probability that refined poses are right, from what the whole stack tells.

A pose is right within ten degrees where its start was in the basin of the true pose
(``refine.two_groups``), and climbing from there did not end beside it.  How often the latter
happens is measured on images made at known poses, with the stack's CTFs and noise, from starts that
are as far off as the stack's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import BandData
from napari_cryoorient.alignment.presence import learned_share
from napari_cryoorient.alignment.refine.local import (
    BASIN_DEG,
    LocalRefinement,
    RefinedPoses,
    strengths_of,
)
from napari_cryoorient.alignment.refine.posterior import WITHIN_DEG
from napari_cryoorient.alignment.refine.two_groups import (
    N_NEW_STARTS,
    Strengths,
    WrongGroup,
    probability_right,
)
from napari_cryoorient.device import in_halves
from napari_cryoorient.geometry.rotations import (
    angular_distance_deg,
    random_rotations,
    rotation_vector_to_matrix,
)
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg
from napari_cryoorient.particles import Floats, Integers, Poses

# Climbs from random poses that show what a wrong pose looks like, and images made to be climbed.
N_DECOYS, N_MADE = 128, 192
# Ends this near to the refined pose are no wrong ones.
FOUND_DEG = 20.0
# Starts that move by less than this, in the median, were the most probable nearby already: somebody
# chose them among all poses, which hold about so many basins as wide as the narrowest band's.
TOP_DEG, N_BASINS = 1.0, 1000.0
# Right poses and wrong ones that are taken to have been seen before.
PRIOR_RIGHT, PRIOR_WRONG = 1.0, 0.1
_PART = 64

Result = TypeVar("Result")


def confidence_of(
    refinement: LocalRefinement,
    refined: RefinedPoses,
    group: Tensor,
    *,
    starts_are_likely: bool = False,
    stated: Floats | None = None,
) -> Floats:
    """Return the probability ``(n,)`` of being right within ten degrees.

    ``group`` ``(g, 3, 3)`` is the map's symmetry.  ``starts_are_likely`` says that the starts come
    from a network: its wrong ones lie where the map looks like itself, not just anywhere.
    ``stated`` ``(n,)`` is how probable the starts were said to be, by a search of all poses; it
    holds for poses that stayed, where the starts were indeed the most probable nearby.
    """
    from scipy.special import expit, logit  # load slowly; searches do without

    were_chosen = float(np.median(refined.moved_deg)) < TOP_DEG
    n_tries = N_NEW_STARTS if starts_are_likely else 1.0
    if were_chosen:
        n_tries = max(n_tries, N_BASINS / len(group))
    generator = torch.Generator().manual_seed(0)
    wrong = WrongGroup.of_decoys(decoys(refinement, refined, group, generator))
    in_basin = probability_right(
        refined.first_strengths,
        refined.strengths,
        refined.was_restarted,
        wrong,
        n_tries,
    )
    made, is_right = made_climbs(refinement, refined, in_basin, generator)
    share = learned_share(refined.presence_log_odds)
    is_there = np.asarray(expit(refined.presence_log_odds + logit(share)))
    chance = chance_by_likelihood(made, is_right, refined.strengths)
    confidence: Floats = in_basin * chance * is_there
    if stated is not None and were_chosen and is_probability(stated):
        return np.where(refined.moved_deg < WITHIN_DEG, stated, confidence * (1 - stated))
    return confidence


def is_probability(values: Floats) -> bool:
    """Tell whether values ``(n,)`` can be probabilities that differ from one to the next."""
    return bool(
        np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1 and np.ptp(values) > 0
    )


def decoys(
    refinement: LocalRefinement, refined: RefinedPoses, group: Tensor, generator: torch.Generator
) -> Strengths:
    """Climb from random poses; return how strong images are where they end."""
    n = len(refined.rows)
    of = torch.randint(n, (N_DECOYS,), generator=generator).numpy()
    elsewhere = torch.randint(n, (N_DECOYS,), generator=generator).numpy()
    starts = Poses(
        random_rotations(N_DECOYS, generator).double().numpy(),
        refined.poses.shifts_angstrom[elsewhere],
    )

    def climbed(these: slice) -> Strengths:
        data = refinement.likelihood.load(refined.rows[of[these]])
        ends = refinement.climbed_once(data, starts[these])
        known = torch.from_numpy(refined.poses.rotations[of[these]]).to(ends.rotations)
        distance = symmetric_distance_deg(ends.rotations, known, group.to(known))
        return strengths_of(ends[distance > FOUND_DEG])

    found = Strengths.joined(_in_parts(climbed, N_DECOYS, refinement))
    if len(found):
        return found
    return Strengths(np.zeros(1), np.ones(1))  # every image climbs to its pose from anywhere


def made_climbs(
    refinement: LocalRefinement, refined: RefinedPoses, in_basin: Floats, generator: torch.Generator
) -> tuple[Strengths, np.ndarray]:
    """Climb images made at known poses; return their strengths and which end where they should.

    The starts are as far off as those of the particles that are ``in_basin``.
    """
    weight = in_basin * (refined.moved_deg < BASIN_DEG) + 1e-9
    chosen = torch.from_numpy(weight)
    like = torch.multinomial(chosen, N_MADE, True, generator=generator).numpy()
    of: Integers = torch.multinomial(chosen, N_MADE, True, generator=generator).numpy()
    poses = Poses(
        random_rotations(N_MADE, generator).double().numpy(), refined.poses.shifts_angstrom[of]
    )
    axes = torch.randn(N_MADE, 3, generator=generator, dtype=torch.float64)
    angles = np.radians(np.minimum(refined.moved_deg[like], BASIN_DEG))
    turns = rotation_vector_to_matrix(
        axes / axes.norm(dim=1, keepdim=True) * torch.from_numpy(angles)[:, None]
    ).numpy()
    off = torch.randn(N_MADE, 2, generator=generator, dtype=torch.float64).numpy()
    off *= refined.moved_angstrom[like, None] / math.sqrt(2)
    starts = Poses(turns @ poses.rotations, poses.shifts_angstrom + off)

    def climbed(these: slice) -> tuple[Strengths, np.ndarray]:
        data = made_data(refinement, refined.rows[of[these]], poses[these], generator)
        ends = refinement.climbed_once(data, starts[these])
        true = torch.from_numpy(poses.rotations[these]).to(ends.rotations)
        is_right = angular_distance_deg(ends.rotations, true) < WITHIN_DEG
        return strengths_of(ends), is_right.cpu().numpy()

    strengths, is_right = zip(*_in_parts(climbed, N_MADE, refinement), strict=True)
    return Strengths.joined(list(strengths)), np.concatenate(is_right)


def _in_parts(work: Callable[[slice], Result], n: int, refinement: LocalRefinement) -> list[Result]:
    """Do work on n images, no more of them together than a refinement takes, in order."""
    size = min(_PART, refinement.chunk_size(n))
    device = refinement.likelihood.device
    parts = [slice(start, min(start + size, n)) for start in range(0, n, size)]
    return [result for part in parts for result in in_halves(work, part, device)]


@torch.no_grad()
def made_data(
    refinement: LocalRefinement, rows: Integers, poses: Poses, generator: torch.Generator
) -> BandData:
    """Make images at ``poses`` with the CTFs of particles ``rows`` and the stack's noise.

    With X = c T + noise of power n, ``cross`` is ``(c^2 / n) T + c / sqrt(n) z``, z of variance 1.
    """
    likelihood = refinement.likelihood
    data = likelihood.load(rows)
    m = data.cross.shape[1]
    rotations = torch.from_numpy(poses.rotations).float().to(likelihood.device)
    shifts = torch.from_numpy(poses.shifts_angstrom).float().to(likelihood.device)
    clean = likelihood.slices(rotations, m) * likelihood.ramps(shifts, m)
    noise = torch.randn(len(rows), m, 2, generator=generator).to(likelihood.device)
    noisy = torch.view_as_complex(noise.contiguous()) * (data.power / 2).sqrt()
    return BandData(data.power * clean + noisy, data.power, data.energy)


def chance_by_likelihood(made: Strengths, is_right: np.ndarray, at: Strengths) -> Floats:
    """Return how probably a climb from within the basin ends right ``(n,)``, by its likelihood.

    A logistic curve through the climbs of made images; it rises, or is level.
    """
    scale = max(float(np.mean(made.log_likelihood)), 1.0)
    x = np.append(made.log_likelihood / scale, [1.0, 1.0])
    weight = np.append(np.ones(len(made)), [PRIOR_RIGHT, PRIOR_WRONG])
    y = np.append(is_right.astype(np.float64), [1.0, 0.0])

    def cost(values: Floats) -> float:
        log_odds = values[0] + abs(values[1]) * (x - 1.0)
        return float(weight @ (np.logaddexp(0.0, log_odds) - y * log_odds) + 0.02 * values[1] ** 2)

    from scipy.optimize import minimize  # loads slowly; searches do without
    from scipy.special import expit

    level, slope = minimize(cost, np.array([2.0, 2.0]), method="Nelder-Mead").x
    return np.asarray(expit(level + abs(slope) * (at.log_likelihood / scale - 1.0)))
