"""Global search of a stack: all poses in a narrow band, the best of them climbed in wider ones.

Particles that this leaves in doubt are searched once more, in a wider band and with more climbed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.chunks import Advance, Stopped, in_threads
from napari_cryoorient.likelihood import SHIFT_REACH, BandData, ParticleLikelihood
from napari_cryoorient.particles import Floats, Integers, Poses
from napari_cryoorient.refine.gauss_newton import Hypotheses
from napari_cryoorient.refine.hypotheses import climb, thinned
from napari_cryoorient.refine.local import is_weak
from napari_cryoorient.refine.posterior import choose, correlations
from napari_cryoorient.search.coarse import CoarseSearch
from napari_cryoorient.search.plans import QUICK, SURE, THOROUGH, Plan

# In the coarse band the slices of a particle that fills most of its box change over this angle
# times the radius in Fourier pixels, and over this part of the field of view.
SPACING_DEG_TIMES_RADIUS = 81.0
SHIFT_STEPS_PER_RADIUS = 3.0
# Of what the best pose gains by the wider bands, this part counts against those left out before.
COUNTED_GAIN = 0.2
CHUNK_SIZE = {"cpu": 32, "mps": 512, "cuda": 2048}
# Images that are searched thoroughly together: about a second's work.
THOROUGH_SIZE = {"cpu": 8, "mps": 256, "cuda": 1024}


@dataclass(frozen=True)
class FoundPoses:
    """Poses of particles ``rows`` ``(k,)`` with how well they fit.

    ``correlation``, ``log_likelihood`` (over that of an empty image, in the whole band) and
    ``confidence`` are ``(k,)``; ``runner_up`` are the best poses elsewhere, the
    best ones again where there are none, and ``margin`` ``(k,)`` is how much lower their
    log-likelihood is (infinite where there are none).
    """

    rows: Integers
    poses: Poses
    correlation: Floats
    log_likelihood: Floats
    confidence: Floats
    runner_up: Poses
    margin: Floats

    @staticmethod
    def joined(parts: list[FoundPoses]) -> FoundPoses:
        """Join chunks, in order."""
        return FoundPoses(
            np.concatenate([p.rows for p in parts]),
            _joined_poses([p.poses for p in parts]),
            np.concatenate([p.correlation for p in parts]),
            np.concatenate([p.log_likelihood for p in parts]),
            np.concatenate([p.confidence for p in parts]),
            _joined_poses([p.runner_up for p in parts]),
            np.concatenate([p.margin for p in parts]),
        )


class GlobalSearch:
    """Searches the particles of a likelihood under a symmetry group ``(g, 3, 3)``.

    ``is_thorough`` False leaves out the second look at particles in doubt.
    """

    def __init__(
        self,
        likelihood: ParticleLikelihood,
        group: Tensor,
        *,
        shift_reach_angstrom: float | None = None,
        is_thorough: bool = True,
    ) -> None:
        self.likelihood = likelihood
        self._wide_group = group
        self._group = group.float().to(likelihood.device)
        field = likelihood.field_of_view_angstrom
        self._reach = SHIFT_REACH * field if shift_reach_angstrom is None else shift_reach_angstrom
        self.coarse = self._coarse_search(QUICK)
        self._wider: CoarseSearch | None = None
        self._is_thorough = is_thorough
        self.n_thorough = 0
        self._lock = threading.Lock()  # of what the second look shares between threads

    def _coarse_search(self, plan: Plan) -> CoarseSearch:
        radius = min(plan.radius, self.likelihood.radius)
        field = self.likelihood.field_of_view_angstrom
        return CoarseSearch(
            self.likelihood,
            self._wide_group,
            radius=radius,
            spacing_deg=SPACING_DEG_TIMES_RADIUS / radius,
            shift_reach_angstrom=self._reach,
            shift_step_angstrom=field / (SHIFT_STEPS_PER_RADIUS * radius),
        )

    def search(
        self,
        rows: Integers,
        *,
        progress: Advance | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Iterator[FoundPoses]:
        """Yield the poses of particles ``rows`` in order, chunk by chunk.

        ``progress`` is told (done, of so many); when ``should_stop`` says so, it ends early.
        """
        device = self.likelihood.device
        return in_threads(
            len(rows),
            CHUNK_SIZE[device.type],
            device,
            load=lambda chunk: self.likelihood.load(rows[chunk]),
            work=lambda chunk, data, ends: self.of_images(rows[chunk], data, ends),
            progress=progress,
            should_stop=should_stop,
        )

    @torch.no_grad()
    def of_images(
        self, rows: Integers, data: BandData, should_stop: Callable[[], bool] | None = None
    ) -> FoundPoses:
        """Search images already loaded, those that stay doubtful twice.

        Raises Stopped when ``should_stop`` says so on the way.
        """
        at, owner, lost = self._climbed(data, self.coarse, QUICK)
        choice = choose(at, owner, self._group, lost)
        doubtful = (choice.confidence < SURE) | is_weak(at[choice.best])
        if self._is_thorough and doubtful.any():
            size = THOROUGH_SIZE[self.likelihood.device.type]
            for some in torch.split(torch.nonzero(doubtful)[:, 0], size):
                if should_stop is not None and should_stop():
                    raise Stopped
                at, owner, lost = self._again(data, at, owner, lost, some)
            choice = choose(at, owner, self._group, lost)
        top = at[choice.best]
        has_second = choice.runner_up >= 0
        second = at[torch.where(has_second, choice.runner_up, choice.best)]
        margin = torch.where(has_second, top.log_likelihood - second.log_likelihood, torch.inf)
        return FoundPoses(
            rows,
            _poses(top.rotations, top.shifts_angstrom),
            _numpy(correlations(self.likelihood, data, top)),
            _numpy(top.log_likelihood),
            _numpy(choice.confidence),
            _poses(second.rotations, second.shifts_angstrom),
            _numpy(margin),
        )

    def _again(
        self, data: BandData, at: Hypotheses, owner: Tensor, lost: Tensor, again: Tensor
    ) -> tuple[Hypotheses, Tensor, Tensor]:
        """Search images ``again`` thoroughly; what they had stays in the running."""
        with self._lock:
            if self._wider is None:
                self._wider = self._coarse_search(THOROUGH)
            self.n_thorough += len(again)
        is_again = torch.zeros(len(data), dtype=torch.bool, device=again.device)
        is_again[again] = True
        more, of_again, lost_again = self._climbed(data[again], self._wider, THOROUGH)
        at = Hypotheses.joined([at, more])
        owner = torch.cat([owner, again[of_again]])
        kept, _ = thinned(at, owner, self._group, THOROUGH.stages[-1].thinning)
        # Images that were not searched again keep all they had.
        untouched = torch.nonzero(~is_again[owner])[:, 0]
        kept = torch.cat([untouched, kept[is_again[owner[kept]]]])
        lost = lost.clone()
        lost[again] = lost_again
        return at[kept], owner[kept], lost

    def _climbed(
        self, data: BandData, coarse: CoarseSearch, plan: Plan
    ) -> tuple[Hypotheses, Tensor, Tensor]:
        """Return the hypotheses a plan leaves, the image of each, and ``lost`` as in ``choose``."""
        found = coarse.best(data, plan.candidates.n_kept)
        best = found.scores[:, :1]
        good = found.scores >= best - plan.candidates.allowed(best)
        owner = torch.nonzero(good)[:, 0]
        rotations, shifts = found.rotations[good], found.shifts_angstrom[good]
        lost = _log_of_rest(found.total, torch.where(good, found.scores, -torch.inf)) - best[:, 0]
        at: Hypotheses | None = None
        for stage in plan.stages:
            at = climb(
                self.likelihood,
                data,
                owner,
                rotations if at is None else at.rotations,
                shifts if at is None else at.shifts_angstrom,
                radius=stage.radius or self.likelihood.radius,
                n_steps=stage.n_steps,
                largest_turn_deg=stage.largest_turn_deg,
            )
            kept, just_lost = thinned(at, owner, self._group, stage.thinning)
            lost = torch.logaddexp(lost, just_lost)
            at, owner = at[kept], owner[kept]
        assert at is not None
        top_score = _best_of_each(at.log_likelihood, owner, len(data))
        return at, owner, lost - COUNTED_GAIN * (top_score - best[:, 0])


def _best_of_each(log_likelihood: Tensor, owner: Tensor, n: int) -> Tensor:
    lowest = torch.full((n,), -torch.inf, device=owner.device)
    return lowest.scatter_reduce(0, owner, log_likelihood, "amax")


def _log_of_rest(total: Tensor, parts: Tensor) -> Tensor:
    """Return ``log(exp(total) - sum exp(parts))`` of ``(b,)`` and ``(b, k)``."""
    share = (parts.logsumexp(1) - total).exp().clamp_max(1.0)
    return total + torch.log1p(-share).clamp_min(-80.0)


def _numpy(tensor: Tensor) -> Floats:
    return np.array(tensor.cpu().numpy(), dtype=np.float64)


def _poses(rotations: Tensor, shifts_angstrom: Tensor) -> Poses:
    return Poses(_numpy(rotations), _numpy(shifts_angstrom))


def _joined_poses(parts: list[Poses]) -> Poses:
    return Poses(
        np.concatenate([p.rotations for p in parts]),
        np.concatenate([p.shifts_angstrom for p in parts]),
    )
