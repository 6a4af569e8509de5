"""From all views in a narrow band to a few poses in a wider one, rung by rung.

The first rung compares an image with every view, in-plane angle and shift.  Each further one has a
wider band and a finer grid, and takes the views near the best of the rung before, or, where
something else proposes views, near the best of these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.alignment.refine.hypotheses import distinct_first
from napari_cryoorient.alignment.search.plans import Plan, Rung
from napari_cryoorient.alignment.search.proposals import Proposals
from napari_cryoorient.alignment.search.shifts import ShiftPrior
from napari_cryoorient.alignment.search.view_bank import NUMBERS_A_SCORE, CellScores, ViewBank
from napari_cryoorient.alignment.shapes import AnyShifts, PerShift
from napari_cryoorient.device import room_for

# Shift steps per field of view and Fourier pixel of radius.
SHIFT_STEPS_PER_RADIUS = 2.7
# Views so far from the best one are no part of its peak.
ELSEWHERE_DEG = 20.0
# A later rung tries so many of its shifts with each image, the fewest and as a part of all: those
# near the best of the rung before.
FEWEST_SHIFTS, KEPT_SHIFTS = 7, 0.65
# Images that later rungs take together, on a CPU and at the most.
CPU_TOGETHER, MOST_TOGETHER = 16, 512


@dataclass(frozen=True)
class Candidates:
    """The best distinct poses of each image, best first: ``(b, k, 3, 3)``, ``(b, k, 2)``.

    ``scores`` ``(b, k)`` are log-likelihoods in the band of the last rung, minus infinity where an
    image has fewer; ``lost`` ``(b,)`` is the log of what all cells left out on the way weigh
    against the best ones of their rung.
    """

    rotations: Tensor
    shifts_angstrom: Tensor
    scores: Tensor
    lost: Tensor


@dataclass(frozen=True)
class _Narrowed:
    """Cells of the last rung of images, the views ``(b, n)`` they are of, and what was ``lost``.

    ``centres`` ``(b, m, 2)`` are added to the shifts of equal parts of the views.
    """

    cells: CellScores
    views: Tensor
    lost: Tensor
    centres: Tensor | None = None

    @staticmethod
    def joined(parts: list[_Narrowed]) -> _Narrowed:
        """Join images, in order."""
        if len(parts) == 1:
            return parts[0]
        centres = [part.centres for part in parts if part.centres is not None]
        return _Narrowed(
            CellScores.joined([part.cells for part in parts]),
            torch.cat([part.views for part in parts]),
            torch.cat([part.lost for part in parts]),
            torch.cat(centres) if centres else None,
        )


class CoarseSearch:
    """The rungs of a plan, ready for images.

    ``fill`` is the particle's diameter as a part of the field of view.  With ``proposed``
    ``(v, 3)``, the viewing directions of a proposer, no rung takes all views.
    """

    def __init__(
        self,
        likelihood: ParticleLikelihood,
        group: Tensor,
        plan: Plan,
        prior: ShiftPrior,
        *,
        fill: float,
        proposed: Tensor | None = None,
    ) -> None:
        self.plan = plan
        self.takes_proposals = proposed is not None
        self._likelihood = likelihood
        self._group = group.float().to(likelihood.device)
        self.banks = [
            ViewBank(
                likelihood,
                group,
                radius=rung.radius,
                fill=fill,
                takes_all=i == 0 and proposed is None,
            )
            for i, rung in enumerate(plan.rungs)
        ]
        self._parents = [
            finer.neighbours_among(coarser.directions)
            for coarser, finer in zip(self.banks, self.banks[1:], strict=False)
        ]
        if proposed is not None:
            self._parents.insert(0, self.banks[0].neighbours_among(proposed, group)[:, :1])
        self.take_shifts(prior)

    def take_shifts(self, prior: ShiftPrior, beside: ShiftPrior | None = None) -> None:
        """Try the shifts that are likely under ``prior``.

        Where shifts are proposed, ``beside`` is how far off they may be; those that are likely by
        it are tried around each if they are fewer.
        """
        device = self._likelihood.device
        self.prior = prior
        self._is_beside = beside is not None and beside.sigma_angstrom < prior.sigma_angstrom
        tried = beside if beside is not None and self._is_beside else prior
        self._shifts = [tried.grid(self._step(rung)).to(device) for rung in self.plan.rungs]
        self._log_priors = [prior.log_density(shifts) for shifts in self._shifts]

    def _together(self, device: torch.device) -> int:
        """Return how many images are narrowed down together: by the scores of a rung."""
        first = 0 if self.takes_proposals else 1
        n_scores = max(
            (
                min(rung.n_views, len(bank)) * bank.rings.n_angles * len(shifts)
                for rung, bank, shifts in list(
                    zip(self.plan.rungs, self.banks, self._shifts, strict=True)
                )[first:]
            ),
            default=1,
        )
        return room_for(
            4 * NUMBERS_A_SCORE * n_scores, device, cpu=CPU_TOGETHER, most=MOST_TOGETHER
        )

    def _step(self, rung: Rung) -> float:
        return self._likelihood.field_of_view_angstrom / (SHIFT_STEPS_PER_RADIUS * rung.radius)

    @property
    def n_shifts(self) -> int:
        """Shifts of the first rung."""
        return len(self._shifts[0])

    def is_beyond(self, shifts_angstrom: AnyShifts) -> PerShift:
        """Tell which shifts ``(..., 2)`` lie outside of those that are tried.

        Beside places that something else proposes none does.
        """
        if self._is_beside:
            return torch.zeros_like(shifts_angstrom[..., 0], dtype=torch.bool)
        return self.prior.beyond(shifts_angstrom, self._step(self.plan.rungs[0]))

    @property
    def n_poses(self) -> int:
        """Orientations that the first rung compares an image with."""
        return len(self.banks[0]) * self.banks[0].rings.n_angles

    @torch.no_grad()
    def best(self, data: BandData, proposals: Proposals | None = None) -> Candidates:
        """Return the best poses of each image; of its ``proposals`` where this takes such."""
        size = self._together(data.power.device)
        pieces = [slice(start, start + size) for start in range(0, len(data), size)]
        if proposals is None:
            cells = self.banks[0].score_all(data, self._shifts[0], self._log_priors[0])
            parts = [self._narrowed(data[these], cells.of_images(these)) for these in pieces]
        else:
            parts = [self._of_proposals(data[these], proposals[these]) for these in pieces]
        return self._chosen(_Narrowed.joined(parts))

    def _narrowed(self, data: BandData, cells: CellScores) -> _Narrowed:
        """Go through the further rungs, each taking the views near the best of the one before."""
        lost = torch.full_like(data.power[:, 0], -torch.inf)
        views = torch.arange(len(self.banks[0]), device=lost.device).expand(len(data), -1)
        for rung in range(1, len(self.banks)):
            by_view = cells.scores.amax(0)
            everywhere = by_view.new_full((len(data), len(self.banks[rung - 1])), -torch.inf)
            by_view = everywhere.scatter(1, views, by_view)
            views, just_lost = self._near_best(by_view, rung, self._parents[rung - 1])
            lost = torch.logaddexp(lost, just_lost)
            near = self._shifts_near_best(cells, rung)  # (s, b)
            shifts, log_prior = self._shifts[rung][near], self._log_priors[rung][near]
            cells = self.banks[rung].score_some(data, shifts, log_prior, views).at_shifts(near)
        return _Narrowed(cells, views, lost)

    def _of_proposals(self, data: BandData, proposals: Proposals) -> _Narrowed:
        """Take views near the most probable proposals, and shifts beside the proposed places."""
        bank, shifts, parents = self.banks[0], self._shifts[0], self._parents[0]
        weights, places = proposals.log_weights, proposals.shifts_angstrom
        if not self._is_beside:
            weights = weights.logsumexp(1)
            views = self._near_best(weights, 0, parents)[0]
            cells = bank.score_some(data, shifts, self._log_priors[0], views)
            lost = self._lost_of(weights[:, None], cells, views[:, None])
            return _Narrowed(cells, views, lost)
        # An image at each of its places, with a part of the views.
        b, m = weights.shape[:2]
        n_views = -(-min(self.plan.rungs[0].n_views, len(bank)) // m)
        views = weights.flatten(0, 1)[:, parents].amax(2).topk(n_views, dim=1).indices
        image = torch.arange(b, device=weights.device).repeat_interleave(m)
        centres = places.flatten(0, 1)
        ramps = self._likelihood.ramps(centres, data.cross.shape[1])
        centred = BandData(data.cross[image] * ramps.conj(), data.power[image], data.energy[image])
        log_prior = self.prior.log_density(shifts[:, None] + centres)
        cells = bank.score_some(centred, shifts, log_prior, views).of_whole(b)
        views = views.view(b, m, n_views)
        lost = self._lost_of(weights, cells, views)
        return _Narrowed(cells, views.flatten(1), lost, places)

    def _lost_of(self, weights: Tensor, cells: CellScores, views: Tensor) -> Tensor:
        """Return the log of what proposed views left out weigh against the best, ``(b,)``.

        ``weights`` are ``(b, m, v)`` and ``views``, those that were compared, ``(b, m, n)``.
        None of them was compared: each is taken to fit as well as the best compared one that lies
        elsewhere, and weighs that times what the proposer thinks of it.
        """
        compared = self._parents[0][views][..., 0]
        left = weights.scatter(2, compared, -torch.inf).flatten(1).logsumexp(1)
        whole = weights.flatten(1).logsumexp(1)
        views = views.flatten(1)
        odds = left - (whole + torch.log1p(-(left - whole).exp().clamp_max(1 - 1e-6)))
        by_view = cells.scores.amax(0)
        best, place = by_view.max(1)
        directions = self.banks[0].views[:, 2][views]  # (b, n, 3)
        there = directions[torch.arange(len(place), device=place.device), place]
        equivalents = torch.einsum("gij,bj->big", self._group, there)
        is_elsewhere = (directions @ equivalents).amax(2) < math.cos(math.radians(ELSEWHERE_DEG))
        elsewhere = torch.where(is_elsewhere, by_view, by_view.amin(1, keepdim=True)).amax(1)
        return odds + elsewhere - best

    def _near_best(self, by_view: Tensor, rung: int, parents: Tensor) -> tuple[Tensor, Tensor]:
        """Return the views ``(b, n)`` of a rung to go on with.

        They lie near the best of ``by_view``, the scores of coarser views.  Second, ``(b,)``: the
        log of what the coarser views left out weigh against the best.
        """
        n_kept = min(self.plan.rungs[rung].n_views, len(self.banks[rung]))
        views = by_view[:, parents].amax(2).topk(n_kept, dim=1).indices
        return views, _weight_left(by_view, parents[views][..., 0])

    def _shifts_near_best(self, cells: CellScores, rung: int) -> Tensor:
        """Return the shifts ``(s, b)`` of a rung near the best of each image in the rung before."""
        coarser, finer = self._shifts[rung - 1], self._shifts[rung]
        n_kept = min(len(finer), max(FEWEST_SHIFTS, math.ceil(KEPT_SHIFTS * len(finer))))
        scores, shifts = (part.transpose(0, 1).flatten(1) for part in (cells.scores, cells.shifts))
        lowest = scores.new_full((len(scores), len(coarser)), -torch.inf)
        by_shift = lowest.scatter_reduce(1, shifts, scores, "amax")
        nearest = torch.cdist(finer, coarser).topk(min(3, len(coarser)), dim=1, largest=False)
        kept: Tensor = by_shift[:, nearest.indices].amax(2).topk(n_kept, dim=1).indices.t()
        return kept

    def _chosen(self, narrowed: _Narrowed) -> Candidates:
        """Return the distinct poses among the best cells of the last rung."""
        cells, views, centres = narrowed.cells, narrowed.views, narrowed.centres
        n = cells.scores.shape[2]
        scores, angles, shifts = (
            part.transpose(0, 1).flatten(1) for part in (cells.scores, cells.angles, cells.shifts)
        )
        value, place = scores.topk(min(self.plan.n_cells, scores.shape[1]), dim=1)
        rotations = self.banks[-1].rotations(views.gather(1, place % n), angles.gather(1, place))
        places = self._shifts[-1][shifts.gather(1, place)]
        if centres is not None:
            part = place % n // (n // centres.shape[1])
            places = places + centres.gather(1, part[..., None].expand(-1, -1, 2))
        rule = self.plan.candidates
        distinct = distinct_first(rotations, self._group, rule.distinct_deg)
        good = distinct & (value >= value[:, :1] - rule.allowed(value[:, :1]))
        good &= good.cumsum(1) <= rule.n_kept
        # Cells beside one that is climbed are part of its peak.
        left = torch.where(distinct & ~good, value, -torch.inf).logsumexp(1)
        rest = _log_of_rest(scores.logsumexp(1), value)
        lost = torch.logaddexp(narrowed.lost, torch.logaddexp(left, rest) - value[:, 0])
        score, order = torch.where(good, value, -torch.inf).topk(min(rule.n_kept, len(value[0])))
        return Candidates(
            rotations.gather(1, order[..., None, None].expand(-1, -1, 3, 3)),
            places.gather(1, order[..., None].expand(-1, -1, 2)),
            score,
            lost,
        )


def _weight_left(by_view: Tensor, kept: Tensor) -> Tensor:
    """Return the log of what the views ``(b, v)`` that are not kept weigh against the best."""
    left = by_view.scatter(1, kept, -torch.inf)
    return left.logsumexp(1) - by_view.amax(1)


def _log_of_rest(total: Tensor, parts: Tensor) -> Tensor:
    """Return ``log(exp(total) - sum exp(parts))`` of ``(b,)`` and ``(b, k)``."""
    share = (parts.logsumexp(1) - total).exp().clamp_max(1.0)
    return total + torch.log1p(-share).clamp_min(-80.0)
