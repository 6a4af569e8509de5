"""Where particles lie in their images: the shifts a search tries, and how likely each is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.particles import Floats

# A grid reaches so many standard deviations.
SIGMAS = 1.9
# This part of the particles may lie anywhere, whatever the others do.
ELSEWHERE = 0.05
FEWEST_SEEN = 8
# Shifts are learned from poses of the first confidence that enough particles reach.
TRUSTED_CONFIDENCES = (0.95, 0.5)


@dataclass(frozen=True)
class ShiftPrior:
    """Shifts scatter by ``sigma_angstrom`` along x and along y around ``centre_angstrom``.

    A few lie anywhere within ``reach_angstrom`` of zero.
    """

    sigma_angstrom: float
    reach_angstrom: float
    centre_angstrom: tuple[float, float] = (0.0, 0.0)

    def grid(self, step_angstrom: float) -> Tensor:
        """Return likely shifts ``(s, 2)``, ``step_angstrom`` apart: seven at least."""
        if self.reach_angstrom <= 0:
            return torch.zeros(1, 2)
        reach = max(SIGMAS * self.sigma_angstrom, step_angstrom)
        return hexagonal_shifts(reach, step_angstrom) + torch.tensor(self.centre_angstrom)

    def log_density(self, shifts_angstrom: Tensor) -> Tensor:
        """Return how likely shifts ``(..., 2)`` are, in logs, over the likeliest."""
        if self.reach_angstrom <= 0:
            return torch.zeros_like(shifts_angstrom[..., 0])
        centre = torch.tensor(self.centre_angstrom).to(shifts_angstrom)
        squared = (shifts_angstrom - centre).square().sum(-1)
        variance = self.sigma_angstrom**2
        anywhere = ELSEWHERE * 2 * variance / self.reach_angstrom**2
        near = (1 - ELSEWHERE) * torch.exp(-squared / (2 * variance))
        return torch.log(near + anywhere)

    def beyond(self, shifts_angstrom: Tensor, step_angstrom: float) -> Tensor:
        """Tell which shifts ``(..., 2)`` lie outside of what a grid of this step covers."""
        centre = torch.tensor(self.centre_angstrom).to(shifts_angstrom)
        reach = max(SIGMAS * self.sigma_angstrom, step_angstrom)
        is_beyond: Tensor = (shifts_angstrom - centre).norm(dim=-1) > reach + 0.5 * step_angstrom
        return is_beyond

    def widened(self, reach_angstrom: float) -> ShiftPrior:
        """Return a prior for particles that lie further out than this one expects."""
        sigma = 1.6 * max(reach_angstrom / SIGMAS, self.sigma_angstrom)
        return ShiftPrior(sigma, self.reach_angstrom, self.centre_angstrom)

    def learned(self, shifts_angstrom: Floats, least_sigma_angstrom: float) -> ShiftPrior:
        """Return the prior that shifts found ``(n, 2)`` suggest; this one where they are few."""
        if len(shifts_angstrom) < FEWEST_SEEN:
            return self
        centre = np.median(shifts_angstrom, axis=0)
        # 1.48 times the median deviation is a Gaussian's sigma; outliers do not count.
        spread = 1.4826 * float(np.median(np.abs(shifts_angstrom - centre)))
        sigma = min(max(spread, least_sigma_angstrom), 2 * self.sigma_angstrom)
        return ShiftPrior(sigma, self.reach_angstrom, (float(centre[0]), float(centre[1])))


def trusted(shifts_angstrom: Floats, confidence: Floats) -> Floats:
    """Return the shifts ``(k, 2)``, of ``(n, 2)`` with confidences ``(n,)``, to learn from.

    In noisy stacks few poses are sure; medians stand a quarter of wrong ones.
    """
    for least in TRUSTED_CONFIDENCES:
        chosen = shifts_angstrom[confidence >= least]
        if len(chosen) >= FEWEST_SEEN:
            break
    return chosen


def hexagonal_shifts(reach: float, step: float) -> Tensor:
    """Return shifts ``(s, 2)`` within ``reach`` of zero, ``step`` apart, zero first."""
    n = math.ceil(2 * reach / step) + 1
    i, j = torch.meshgrid(torch.arange(-n, n + 1), torch.arange(-n, n + 1), indexing="ij")
    x, y = (i + 0.5 * j) * step, j * (step * math.sqrt(3) / 2)
    length = torch.hypot(x, y)
    inside = length <= reach + 1e-6
    shifts = torch.stack([x[inside], y[inside]], dim=1)
    return shifts[torch.sort(length[inside], stable=True).indices]
