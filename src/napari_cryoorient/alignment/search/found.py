"""What a search finds of a stack, and what it is left with of a few images on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.information import Information
from napari_cryoorient.alignment.likelihood import AMPLITUDE_SIGMA
from napari_cryoorient.alignment.refine.gauss_newton import Hypotheses
from napari_cryoorient.alignment.refine.posterior import Choice, choose
from napari_cryoorient.alignment.refine.two_groups import Strengths
from napari_cryoorient.alignment.search.shifts import ShiftPrior
from napari_cryoorient.particles import Floats, Integers, Poses

# Of what the best pose gains by the wider bands, this part counts against those left out before.
COUNTED_GAIN = 0.4


@dataclass(frozen=True)
class FoundPoses:
    """Poses of particles ``rows`` ``(k,)`` with how well they fit.

    ``correlation``, ``log_likelihood`` (over that of an empty image, in the whole band) and
    ``confidence`` are ``(k,)``.  The confidence is ``pose_probability`` ``(k,)``, that of a
    particle's pose to be right within ten degrees, times the probability that the image shows the
    particle, whose log odds are ``presence_log_odds`` ``(k,)``.  ``runner_up`` are the best poses
    elsewhere, the best ones again where there are none, and ``margin`` ``(k,)`` is how much lower
    their log-likelihood is, that of their shifts added (infinite where there are none).
    """

    rows: Integers
    poses: Poses
    correlation: Floats
    log_likelihood: Floats
    confidence: Floats
    pose_probability: Floats
    presence_log_odds: Floats
    runner_up: Poses
    margin: Floats
    strengths: Strengths

    @property
    def presence_probability(self) -> Floats:
        """How probably each image shows the particle, whatever its pose ``(k,)``."""
        return np.asarray(0.5 * (1 + np.tanh(0.5 * self.presence_log_odds)))

    @staticmethod
    def joined(parts: list[FoundPoses]) -> FoundPoses:
        """Join chunks, in order."""
        if len(parts) == 1:
            return parts[0]
        return FoundPoses(
            np.concatenate([p.rows for p in parts]),
            _joined_poses([p.poses for p in parts]),
            np.concatenate([p.correlation for p in parts]),
            np.concatenate([p.log_likelihood for p in parts]),
            np.concatenate([p.confidence for p in parts]),
            np.concatenate([p.pose_probability for p in parts]),
            np.concatenate([p.presence_log_odds for p in parts]),
            _joined_poses([p.runner_up for p in parts]),
            np.concatenate([p.margin for p in parts]),
            Strengths.joined([p.strengths for p in parts]),
        )


@dataclass(frozen=True)
class StackPriors:
    """What a search has learned of its whole stack: another process can go on from it.

    ``strength`` is the particles' mean amplitude times the stack's gain, ``amplitude_sigma`` their
    spread, ``presence_share`` the part of the images that show the particle; ``beside`` is how far
    proposed shifts are off, None where nothing is proposed.
    """

    information: Information
    prior: ShiftPrior
    strength: float = 1.0
    amplitude_sigma: float = AMPLITUDE_SIGMA
    presence_share: float = 0.5
    beside: ShiftPrior | None = None


@dataclass(frozen=True)
class RemainingHypotheses:
    """Hypotheses left of images, and the image of each ``(q,)``.

    ``lost`` ``(b,)`` is the log of what was left out on the way against the best of its time, and
    ``gained`` ``(b,)`` what the best gained after.
    """

    at: Hypotheses
    owner: Tensor
    lost: Tensor
    gained: Tensor

    def choice(self, group: Tensor, prior: ShiftPrior) -> Choice:
        """Choose the best of each image under a symmetry group, likely shifts first."""
        lost = self.lost - COUNTED_GAIN * self.gained
        log_prior = prior.log_density(self.at.shifts_angstrom)
        return choose(self.at, self.owner, group, lost, log_prior)


@dataclass(frozen=True)
class Judged:
    """What is left of images, the best of it, and the log odds ``(b,)`` of them to hold the map."""

    left: RemainingHypotheses
    choice: Choice
    presence: Tensor

    @property
    def top(self) -> Hypotheses:
        """Return the best hypothesis of each image."""
        return self.left.at[self.choice.best]


def best_of_each(log_likelihood: Tensor, owner: Tensor, n: int) -> Tensor:
    """Return the highest log-likelihood of each of n images, minus infinity where one has none."""
    lowest = torch.full((n,), -torch.inf, device=owner.device)
    return lowest.scatter_reduce(0, owner, log_likelihood, "amax")


def _joined_poses(parts: list[Poses]) -> Poses:
    return Poses(
        np.concatenate([p.rotations for p in parts]),
        np.concatenate([p.shifts_angstrom for p in parts]),
    )
