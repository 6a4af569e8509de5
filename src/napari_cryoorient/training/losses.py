"""The paper's losses (Lian et al. 2022, equations 11, 12, 14 and 15).

Grey scale of the reprojection loss.  The paper does not state one, yet it decides what ``w`` means.
Here both projections are multiplied by one constant per map, ``unit_contrast_scale``, which gives
the map's projections a standard deviation of 1 on average, and the loss is the mean over pixels.
A pose drawn at random then costs 0.75 in QD (the mean of 1 - <q, q'>^2 over SO(3)) and, for compact
particles, some 0.6 to 0.9 in reprojection: at w = 0.5 the two terms count alike, whatever the units
of the map, its box, or its pixel size.
"""

from __future__ import annotations

from torch import Tensor


def quaternion_distance(predicted: Tensor, true: Tensor) -> Tensor:
    """Return QD, equation 12: the mean of ``1 - <q_pred, q_true>^2`` over unit quaternions (b, 4).

    Blind to the sign of either quaternion.
    """
    return (1.0 - (predicted * true).sum(-1).square()).mean()


def reprojection_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Return equation 14: the mean absolute difference of projections (b, N, N)."""
    return (predicted - true).abs().mean()


def weighted_objective(qd: Tensor, reprojection: Tensor, w: float) -> Tensor:
    """Return equation 15, ``w QD + (1 - w) reprojection``; a term of weight 0 takes no gradient."""
    if w >= 1.0:
        return qd
    if w <= 0.0:
        return reprojection
    return w * qd + (1.0 - w) * reprojection


def unit_contrast_scale(projections: Tensor) -> float:
    """Return what to multiply projections (n, N, N) with for a mean standard deviation of 1."""
    spread = float(projections.flatten(1).std(dim=1).mean())
    return 1.0 / spread if spread > 0.0 else 1.0
