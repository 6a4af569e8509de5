"""How sure a pose is, from the hypotheses that an image was left with.

Each hypothesis is a Gaussian peak of the posterior: its mass is ``exp(log-likelihood)`` times the
volume that the curvature leaves it.  The confidence is the share of all mass that lies within ten
degrees of the best pose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import BandData
from napari_cryoorient.alignment.refine.gauss_newton import Hypotheses
from napari_cryoorient.alignment.refine.hypotheses import by_image
from napari_cryoorient.geometry.grids import view_directions
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg

WITHIN_DEG = 10.0
# Peaks are climbed and only the best are kept, which makes the first look surer than it is: the
# likelihood is taken to be flatter by this factor (fitted, see docs/search-and-refine.md).
TEMPERATURE = 1.75
# Directions over which a peak's width is averaged lie so far apart.
_BETWEEN_DIRECTIONS_DEG = 15.0


@dataclass(frozen=True)
class Choice:
    """The best hypothesis of each image ``(b,)`` and the runner-up, as indices.

    ``runner_up`` is -1 where there is none; ``confidence`` is in [0, 1].
    """

    best: Tensor
    runner_up: Tensor
    confidence: Tensor


def choose(
    at: Hypotheses, owner: Tensor, group: Tensor, lost: Tensor, log_prior: Tensor | None = None
) -> Choice:
    """Choose for every image; each has at least one hypothesis.

    ``lost`` ``(b,)`` is the log of what the hypotheses left out on the way weigh against the best,
    ``log_prior`` ``(q,)`` how likely each pose is before its image is seen.
    """
    score = at.log_likelihood if log_prior is None else at.log_likelihood + log_prior
    _, index, is_there = by_image(score, owner)
    log_mass = score / TEMPERATURE - 0.5 * torch.linalg.slogdet(at.curvature)[1]
    log_mass = torch.where(is_there, log_mass[index], -torch.inf)
    poses = at.rotations[index]
    distance = symmetric_distance_deg(poses, poses[:, :1].expand_as(poses), group)
    near = (distance < WITHIN_DEG) & is_there
    all_mass = torch.logaddexp(log_mass.logsumexp(1), log_mass[:, 0] + lost)
    share = (torch.where(near, log_mass, -torch.inf).logsumexp(1) - all_mass).exp()
    best = index[:, 0]
    confidence = share * probability_within(at.curvature[best] / TEMPERATURE, WITHIN_DEG)
    if index.shape[1] > 1:
        runner_up = torch.where(is_there[:, 1], index[:, 1], torch.full_like(best, -1))
    else:
        runner_up = torch.full_like(best, -1)
    # Of an image that weighs nothing all poses are alike, and the shares are no numbers.
    return Choice(best, runner_up, confidence.nan_to_num(0.0).clamp(0, 1))


def probability_within(curvature: Tensor, angle_deg: float) -> Tensor:
    """Return the part ``(q,)`` of a Gaussian peak that lies within an angle of its top.

    A Gaussian vector of covariance C is ``C^(1/2) r u`` with u uniform on the sphere and r as
    Maxwell's distribution has it: its length is under x where r is under ``x / |C^(1/2) u|``, so
    that Maxwell's distribution is averaged over directions.
    """
    scale = curvature.diagonal(dim1=1, dim2=2).clamp_min(1e-12).rsqrt()
    normalised = curvature * scale[:, :, None] * scale[:, None, :]
    ridge = 1e-6 * torch.eye(curvature.shape[1], device=curvature.device)
    covariance = torch.linalg.inv(normalised + ridge) * scale[:, :, None] * scale[:, None, :]
    directions = _directions().to(curvature)
    variance = torch.einsum("di,qij,dj->qd", directions, covariance[:, :3, :3], directions)
    x = math.radians(angle_deg) / variance.clamp_min(1e-12).sqrt()
    within = torch.erf(x / math.sqrt(2)) - x * torch.exp(-0.5 * x * x) * math.sqrt(2 / math.pi)
    return within.mean(1)


@cache
def _directions() -> Tensor:
    return view_directions(_BETWEEN_DIRECTIONS_DEG)


def correlations(data: BandData, at: Hypotheses) -> Tensor:
    """Return the normalised correlation ``(q,)`` of image i with its projection at pose i.

    Both are whitened by the noise and cut to the band of ``data``; the CTF is in the projection.
    """
    return at.strength * (at.information / data.energy.sum(1).clamp_min(1e-30)).sqrt()
