"""Where particles lie in their images: the shifts a search tries, and how likely each is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.shapes import AnyShifts, PerShift, TriedShifts
from napari_cryoorient.particles import Floats

# A grid reaches so many standard deviations: in a quick look, and in one at particles in doubt.
SIGMAS, THOROUGH_SIGMAS = 1.9, 3.0
# This part of the particles may lie anywhere, whatever the others do.
ELSEWHERE = 0.05
# A stack's shifts are learned from so many right poses at least; what was thought before counts for
# so many.
FEWEST_SEEN, PRIOR_COUNT, N_ROUNDS = 6.0, 2.0, 20


@dataclass(frozen=True)
class ShiftPrior:
    """Shifts scatter by ``sigma_angstrom`` along x and along y around ``centre_angstrom``.

    A few lie anywhere within ``reach_angstrom`` of zero.  A grid covers ``n_sigmas``.
    """

    sigma_angstrom: float
    reach_angstrom: float
    centre_angstrom: tuple[float, float] = (0.0, 0.0)
    n_sigmas: float = SIGMAS

    def grid(self, step_angstrom: float) -> TriedShifts:
        """Return likely shifts ``(s, 2)``, ``step_angstrom`` apart: seven at least."""
        if self.reach_angstrom <= 0:
            return torch.zeros(1, 2)
        return hexagonal_shifts(self._covered(step_angstrom), step_angstrom) + torch.tensor(
            self.centre_angstrom
        )

    def log_density(self, shifts_angstrom: AnyShifts) -> PerShift:
        """Return how likely shifts ``(..., 2)`` are, in logs, over the most probable."""
        if self.reach_angstrom <= 0:
            return torch.zeros_like(shifts_angstrom[..., 0])
        centre = torch.tensor(self.centre_angstrom).to(shifts_angstrom)
        squared = (shifts_angstrom - centre).square().sum(-1)
        variance = self.sigma_angstrom**2
        anywhere = ELSEWHERE * 2 * variance / self.reach_angstrom**2
        near = (1 - ELSEWHERE) * torch.exp(-squared / (2 * variance))
        return torch.log(near + anywhere)

    def log_probability(self, shifts_angstrom: AnyShifts) -> PerShift:
        """Return the log density of shifts ``(..., 2)``, per square angstrom; 0 if all are zero."""
        if self.reach_angstrom <= 0:
            return torch.zeros_like(shifts_angstrom[..., 0])
        whole = 2 * math.pi * self.sigma_angstrom**2
        return self.log_density(shifts_angstrom) - math.log(whole)

    def beyond(self, shifts_angstrom: AnyShifts, step_angstrom: float) -> PerShift:
        """Tell which shifts ``(..., 2)`` lie outside of what a grid of this step covers."""
        centre = torch.tensor(self.centre_angstrom).to(shifts_angstrom)
        covered = self._covered(step_angstrom) + 0.5 * step_angstrom
        is_beyond: Tensor = (shifts_angstrom - centre).norm(dim=-1) > covered
        return is_beyond

    def _covered(self, step_angstrom: float) -> float:
        return max(self.n_sigmas * self.sigma_angstrom, step_angstrom)

    def thorough(self) -> ShiftPrior:
        """Return the same prior with a grid that leaves next to nothing out."""
        return replace(self, n_sigmas=THOROUGH_SIGMAS)

    def widened(self, reach_angstrom: float) -> ShiftPrior:
        """Return a prior for particles that lie further out than this one expects."""
        sigma = 1.6 * max(reach_angstrom / SIGMAS, self.sigma_angstrom)
        return ShiftPrior(sigma, self.reach_angstrom, self.centre_angstrom)

    def learned(
        self, shifts_angstrom: Floats, weight: Floats, least_sigma_angstrom: float
    ) -> ShiftPrior:
        """Return the prior that shifts found ``(n, 2)``, right with ``weight`` ``(n,)``, suggest.

        A Gaussian beside the few that may lie anywhere, fitted by EM; this prior counts as
        ``PRIOR_COUNT`` particles.  Its centre is drawn towards zero as far as chance moves a mean.
        """
        if float(weight.sum()) < FEWEST_SEEN:
            return self
        sure = shifts_angstrom[weight >= 0.5 * weight.max()]
        centre = np.median(sure, axis=0)
        variance, anywhere = self.sigma_angstrom**2, ELSEWHERE * 2 / self.reach_angstrom**2
        for _ in range(N_ROUNDS):
            squared = np.square(shifts_angstrom - centre).sum(1)
            near = (1 - ELSEWHERE) * np.exp(-squared / (2 * variance)) / variance
            share = weight * near / (near + anywhere)
            count = max(float(share.sum()), 1e-9)
            mean = share @ shifts_angstrom / count
            by_chance = 2 * variance / count / max(float(mean @ mean), 1e-9)
            centre = mean * max(1 - by_chance, 0.0)
            squared = np.square(shifts_angstrom - centre).sum(1)
            total = float(share @ squared) / 2 + PRIOR_COUNT * self.sigma_angstrom**2
            variance = total / (count + PRIOR_COUNT)
        sigma = min(max(math.sqrt(variance), least_sigma_angstrom), 2 * self.sigma_angstrom)
        return replace(
            self, sigma_angstrom=sigma, centre_angstrom=(float(centre[0]), float(centre[1]))
        )


def from_nearest(shifts_angstrom: Floats, places_angstrom: Floats) -> Floats:
    """Return how far ``(k, 2)`` shifts are from the nearest of their places ``(k, m, 2)``."""
    off = shifts_angstrom[:, None] - places_angstrom
    nearest = np.square(off).sum(2).argmin(1)
    return np.asarray(off[np.arange(len(off)), nearest])


def hexagonal_shifts(reach: float, step: float) -> TriedShifts:
    """Return shifts ``(s, 2)`` within ``reach`` of zero, ``step`` apart, zero first."""
    n = math.ceil(2 * reach / step) + 1
    i, j = torch.meshgrid(torch.arange(-n, n + 1), torch.arange(-n, n + 1), indexing="ij")
    x, y = (i + 0.5 * j) * step, j * (step * math.sqrt(3) / 2)
    length = torch.hypot(x, y)
    inside = length <= reach + 1e-6
    shifts = torch.stack([x[inside], y[inside]], dim=1)
    return shifts[torch.sort(length[inside], stable=True).indices]
