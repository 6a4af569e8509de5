"""Which refined poses are right: the particles of a stack as a mixture of two groups.

How much of its projection an image holds, ``t = <X, T> / |T|^2`` (``strength``), is about 1 where
the pose is right, with a variance of ``0.5 / |T|^2`` and that of the particles' own amplitudes;
where it is wrong, it is what climbing makes of noise and of the likeness of all views.  The latter
is measured by climbing from random poses (``decoys``); how many particles belong to which group
follows from the stack itself (EM), and with it how good the starts were.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_cryoorient.alignment.likelihood import AMPLITUDE_SIGMA
from napari_cryoorient.particles import Floats

# The right group before a stack tells more: mean and spread of the strength, and how many particles
# these count for.
RIGHT_MEAN, RIGHT_SPREAD, PRIOR_COUNT = 1.0, 0.05, 20.0
LARGEST_SPREAD = 0.35
# Each group has so many particles to begin with.
GROUP_COUNT = 0.5
# Climbs from new starts that are as good as independent of each other.
N_NEW_STARTS = 12.0
N_ROUNDS = 60


@dataclass(frozen=True)
class Strengths:
    """Strength ``t`` and squared projection ``|T|^2`` over the noise, ``(n,)`` each."""

    strength: Floats
    information: Floats

    def __len__(self) -> int:
        return len(self.strength)

    def __getitem__(self, index: np.ndarray) -> Strengths:
        return Strengths(self.strength[index], self.information[index])

    @property
    def log_likelihood(self) -> Floats:
        """Log-likelihood ``(n,)`` over that of an empty image, the strength being free."""
        return np.asarray(np.maximum(self.strength, 0.0) ** 2 * self.information)

    @staticmethod
    def joined(parts: list[Strengths]) -> Strengths:
        """Join parts, in order."""
        return Strengths(
            np.concatenate([p.strength for p in parts]),
            np.concatenate([p.information for p in parts]),
        )


# Amplitudes before a stack tells more, for so many particles; and how narrow or wide they may be.
AMPLITUDE_COUNT, AMPLITUDE_SIGMAS = 6.0, (0.1, 0.4)


def learned_amplitudes(
    at: Strengths, weight: Floats, sigma: float = AMPLITUDE_SIGMA
) -> tuple[float, float]:
    """Return mean and spread, relative to it, of the amplitudes of poses right with ``weight``.

    Each strength has a variance of ``0.5 / |T|^2`` beside; 1 and ``sigma`` count as particles too.
    """
    noise = 0.5 / at.information
    spread = sigma
    for _ in range(N_ROUNDS):
        precision = weight / (spread**2 + noise)
        prior = AMPLITUDE_COUNT / (sigma**2 + float(np.median(noise)))
        mean = (float(precision @ at.strength) + prior) / (float(precision.sum()) + prior)
        pull = np.square(spread**2 / (spread**2 + noise))  # EM: the amplitude behind each strength
        excess = pull * (at.strength - mean) ** 2 + spread**2 * noise / (spread**2 + noise)
        variance = (float(weight @ excess) + AMPLITUDE_COUNT * sigma**2) / (
            float(weight.sum()) + AMPLITUDE_COUNT
        )
        spread = math.sqrt(variance)
    return mean, min(max(spread / mean, AMPLITUDE_SIGMAS[0]), AMPLITUDE_SIGMAS[1])


@dataclass(frozen=True)
class WrongGroup:
    """Strengths of wrong poses: ``likeness + gain / sqrt(information)``, Gaussian around it.

    The variance is ``spread^2 + noise^2 / information``.
    """

    likeness: float
    gain: float
    spread: float
    noise: float

    @staticmethod
    def of_decoys(decoys: Strengths) -> WrongGroup:
        """Fit the mean by least squares, and the variance likewise, neither part below zero."""
        inverse = 1 / np.sqrt(decoys.information)
        design = np.stack([np.ones_like(inverse), inverse], axis=1)
        # Where all have the same information the two parts cannot be told apart: shrink a little.
        ridge = np.diag([1e-3, 1e-3]) * len(decoys)
        likeness, gain = np.linalg.solve(design.T @ design + ridge, design.T @ decoys.strength)
        squares = (decoys.strength - design @ [likeness, gain]) ** 2
        # The noise alone gives 0.5 / |T|^2 at a fixed pose, and less where it is climbed.
        noise = 0.5
        spread = float(np.mean(squares) - np.mean(noise**2 * inverse**2))
        if spread < 1e-4:
            noise = math.sqrt(max(float(np.mean(squares)) / float(np.mean(inverse**2)), 0.01))
            spread = 1e-4
        return WrongGroup(float(likeness), float(gain), math.sqrt(spread), noise)

    def mean_and_sigma(self, at: Strengths) -> tuple[Floats, Floats]:
        """Return mean and standard deviation ``(n,)`` of one wrong pose for each particle."""
        mean = self.likeness + self.gain / np.sqrt(at.information)
        return mean, np.sqrt(self.spread**2 + self.noise**2 / at.information)

    def log_density(self, at: Strengths, n_tries: Floats) -> Floats:
        """Return the log density of the best of ``n_tries`` ``(n,)`` wrong poses."""
        from scipy.special import log_ndtr  # loads slowly; searches do without

        mean, sigma = self.mean_and_sigma(at)
        z = (at.strength - mean) / sigma
        best_of = np.log(n_tries) + (n_tries - 1) * log_ndtr(z)
        return np.asarray(best_of - 0.5 * z * z - np.log(sigma))


@dataclass(frozen=True)
class RightGroup:
    """Strengths of right poses: Gaussian around ``mean``, variance ``spread^2 + 0.5 / |T|^2``."""

    mean: float = RIGHT_MEAN
    spread: float = RIGHT_SPREAD

    def mean_and_sigma(self, at: Strengths) -> tuple[Floats, Floats]:
        """Return mean and standard deviation ``(n,)`` for each particle."""
        return np.full(len(at), self.mean), np.sqrt(self.spread**2 + 0.5 / at.information)

    def log_density(self, at: Strengths) -> Floats:
        """Return the log density ``(n,)``."""
        mean, sigma = self.mean_and_sigma(at)
        z = (at.strength - mean) / sigma
        return np.asarray(-0.5 * z * z - np.log(sigma))

    def fitted(self, at: Strengths, weight: Floats) -> RightGroup:
        """Return the group as weighed particles have it, held by the prior."""
        noise = 0.5 / at.information
        precision = weight / (self.spread**2 + noise)
        prior = PRIOR_COUNT / (RIGHT_SPREAD**2 + float(np.median(noise)))
        mean = (float(precision @ at.strength) + prior * RIGHT_MEAN) / (
            float(precision.sum()) + prior
        )
        excess = (at.strength - mean) ** 2 - noise
        variance = (float(weight @ excess) + PRIOR_COUNT * RIGHT_SPREAD**2) / (
            float(weight.sum()) + PRIOR_COUNT
        )
        return RightGroup(mean, min(math.sqrt(max(variance, 1e-4)), LARGEST_SPREAD))


def probability_right(
    first: Strengths,
    final: Strengths,
    was_restarted: np.ndarray,
    wrong: WrongGroup,
    n_tries: float = 1.0,
) -> Floats:
    """Return for each particle ``(n,)`` how probably its pose is of the right group.

    ``first`` are the strengths of all after one climb, and tell how many starts were right.
    Particles that were restarted ``(n,)`` are then a mixture of their own, by their ``final``
    strengths, the wrong ones among them being the best of many.  Where the starts themselves were
    chosen by how the images look, wrong ones count as the best of ``n_tries``.
    """
    once = np.full(len(first), n_tries)
    probability, right = _mixture(first, wrong, once, RightGroup())
    if was_restarted.any():
        again = final[was_restarted]
        of_many = np.full(len(again), N_NEW_STARTS)
        probability[was_restarted], _ = _mixture(again, wrong, of_many, right, is_fixed=True)
    return probability


def _mixture(
    at: Strengths, wrong: WrongGroup, n_tries: Floats, right: RightGroup, *, is_fixed: bool = False
) -> tuple[Floats, RightGroup]:
    """Fit how many are right, and the right group unless it ``is_fixed``, by EM."""
    from scipy.special import expit, logit

    share = 0.5
    probability = np.full(len(at), share)
    for _ in range(N_ROUNDS):
        kept = _within_reason(at, right, wrong)
        log_ratio = right.log_density(kept) - wrong.log_density(kept, n_tries)
        probability = np.asarray(expit(log_ratio + logit(share)))
        share = float(probability.sum() + GROUP_COUNT) / (len(at) + 2 * GROUP_COUNT)
        if not is_fixed:
            right = right.fitted(at, probability)
    return probability, right


def _within_reason(at: Strengths, right: RightGroup, wrong: WrongGroup) -> Strengths:
    """Limit strengths to where the ratio of the two Gaussians still grows with them.

    A particle stronger than most right ones is not wrong for that.
    """
    (mean_r, sigma_r), (mean_w, sigma_w) = right.mean_and_sigma(at), wrong.mean_and_sigma(at)
    difference = sigma_w**2 - sigma_r**2
    safe = np.where(np.abs(difference) < 1e-9, 1e-9, difference)
    turning = (mean_r * sigma_w**2 - mean_w * sigma_r**2) / safe
    strength = np.where(difference > 0, np.minimum(at.strength, turning), at.strength)
    strength = np.where(difference < 0, np.maximum(strength, turning), strength)
    return Strengths(strength, at.information)
