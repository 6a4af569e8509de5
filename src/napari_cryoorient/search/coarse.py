"""The exhaustive stage: all views, in-plane angles and shifts in a narrow band.

Of each view the best angle in each quarter turn is kept, whatever the shift; of these, the best
few go on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_cryoorient.geometry.grids import directions_to_matrices, view_directions
from napari_cryoorient.geometry.rotations import turn_in_plane
from napari_cryoorient.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.search.in_plane import RingTransform

N_SECTORS = 4
# Scores that one product of views and images may fill, in numbers.
SCORES = {"cpu": 2**22, "mps": 2**25, "cuda": 2**28}


@dataclass(frozen=True)
class Candidates:
    """The best poses of each image, best first: ``(b, k, 3, 3)``, ``(b, k, 2)``, ``(b, k)``.

    ``scores`` are log-likelihoods in the narrow band; ``total`` ``(b,)`` is the log of the sum of
    the likelihoods of all cells, those that are not among the best too.
    """

    rotations: Tensor
    shifts_angstrom: Tensor
    scores: Tensor
    total: Tensor


def hexagonal_shifts(reach: float, step: float) -> Tensor:
    """Return shifts ``(s, 2)`` within ``reach`` of zero, ``step`` apart, zero first."""
    n = math.ceil(2 * reach / step) + 1
    i, j = torch.meshgrid(torch.arange(-n, n + 1), torch.arange(-n, n + 1), indexing="ij")
    x, y = (i + 0.5 * j) * step, j * (step * math.sqrt(3) / 2)
    length = torch.hypot(x, y)
    inside = length <= reach + 1e-6
    shifts = torch.stack([x[inside], y[inside]], dim=1)
    return shifts[torch.sort(length[inside], stable=True).indices]


class CoarseSearch:
    """The grid of views and shifts, and the map's views on rings."""

    def __init__(
        self,
        likelihood: ParticleLikelihood,
        group: Tensor,
        *,
        radius: float,
        spacing_deg: float,
        shift_reach_angstrom: float,
        shift_step_angstrom: float,
    ) -> None:
        device = likelihood.device
        self._likelihood = likelihood
        self._rings = RingTransform(likelihood, radius)
        directions = view_directions(spacing_deg, group)
        self.views = directions_to_matrices(directions).float().to(device)
        self.shifts = hexagonal_shifts(shift_reach_angstrom, shift_step_angstrom).to(device)
        self._ramps = likelihood.ramps(self.shifts, self._rings.n_frequencies)
        parts = [self._rings.of_views(part) for part in torch.split(self.views, 128)]
        self._slices = torch.cat([part[0] for part in parts], dim=1)
        self._squares = torch.cat([part[1] for part in parts], dim=1)
        self.n_poses = len(self.views) * self._rings.n_angles
        self.chunk_size = max(
            1, SCORES[device.type] // (self._rings.n_angles * len(self.shifts) * 128)
        )

    @torch.no_grad()
    def best(self, data: BandData, n_candidates: int) -> Candidates:
        """Return the best cells of each image, best first."""
        parts = [
            self._best(data[start : start + self.chunk_size], n_candidates)
            for start in range(0, len(data), self.chunk_size)
        ]
        return Candidates(
            torch.cat([part.rotations for part in parts]),
            torch.cat([part.shifts_angstrom for part in parts]),
            torch.cat([part.scores for part in parts]),
            torch.cat([part.total for part in parts]),
        )

    def _best(self, data: BandData, n_candidates: int) -> Candidates:
        rings, b, s = self._rings, len(data), len(self.shifts)
        data = data.band(rings.n_frequencies)
        # Shifts outermost, images innermost.
        moved = (data.cross * self._ramps.conj()[:, None]).flatten(0, 1)
        images, powers = rings.of_images(moved), rings.of_powers(data.power)
        kept: list[tuple[Tensor, Tensor]] = []
        total = torch.full_like(data.power[:, 0], -torch.inf)
        size = max(1, SCORES[data.power.device.type] // (rings.n_angles * s * b))
        for start in range(0, len(self.views), size):
            views = slice(start, start + size)
            scores = rings.scores(images, self._slices[:, views])
            scores = scores.view(rings.n_angles, -1, s, b)
            v = scores.shape[1]
            # Both are sums over the whole plane; the likelihood takes half of |T|^2.
            norm = rings.power_scores(powers, self._squares[:, views])
            by_sector = scores.amax(2).sub_(norm, alpha=0.5).view(N_SECTORS, -1, v, b)
            cells = by_sector.amax(1).flatten(0, 1)  # (sectors v, b)
            total = torch.logaddexp(total, cells.logsumexp(0))
            value, cell = cells.topk(min(n_candidates, len(cells)), dim=0)
            sector, view = cell // v, cell % v
            column = torch.arange(b, device=cell.device)
            angle = by_sector.permute(0, 2, 3, 1)[sector, view, column].argmax(-1)
            angle = angle + sector * (rings.n_angles // N_SECTORS)
            shift = scores.permute(0, 1, 3, 2)[angle, view, column].argmax(-1)
            pose = ((view + start) * rings.n_angles + angle) * s + shift
            kept.append((value, pose))
        value, place = torch.cat([k[0] for k in kept]).topk(
            min(n_candidates, sum(len(k[0]) for k in kept)), dim=0
        )
        pose = torch.cat([k[1] for k in kept]).gather(0, place).t()
        shift, pose = pose % s, pose // s
        turn = turn_in_plane(rings.angles[pose % rings.n_angles])
        rotations = turn @ self.views[pose // rings.n_angles]
        return Candidates(rotations, self.shifts[shift], value.t(), total)
