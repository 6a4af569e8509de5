"""Global search of a stack: all poses in a narrow band, the best of them climbed in wider ones.

Particles that this leaves in doubt are searched once more, in a wider band and with more climbed.
Where something else, a network say, proposes views, these take the place of all poses.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.information import information_of
from napari_cryoorient.alignment.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.alignment.presence import Presence, learned_share, widest_prior
from napari_cryoorient.alignment.refine.gauss_newton import Hypotheses
from napari_cryoorient.alignment.refine.hypotheses import climb, thinned
from napari_cryoorient.alignment.refine.local import is_weak, strengths_of
from napari_cryoorient.alignment.refine.posterior import correlations
from napari_cryoorient.alignment.refine.two_groups import learned_amplitudes
from napari_cryoorient.alignment.search.coarse import CoarseSearch
from napari_cryoorient.alignment.search.found import (
    FoundPoses,
    Judged,
    RemainingHypotheses,
    StackPriors,
    best_of_each,
)
from napari_cryoorient.alignment.search.plans import (
    SURE,
    TRUSTED_PART,
    Plan,
    from_proposals,
    quick_plan,
    thorough_plan,
)
from napari_cryoorient.alignment.search.proposals import Proposals, Proposer
from napari_cryoorient.alignment.search.shifts import ShiftPrior, from_nearest
from napari_cryoorient.device import in_numpy, part_of, room_for
from napari_cryoorient.particles import Integers, ParticleSet, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.chunks import Stopped, in_threads

# Images of a chunk: on a CPU, and at the most; a GPU's memory holds so many float32 of each pixel.
CPU_CHUNK, LARGEST_CHUNK, NUMBERS_A_PIXEL = 64, 16384, 24
# Particles that show how far they lie from the centre, and the fewest of a stack that are asked.
N_TO_LEARN_FROM, FEWEST_TO_LEARN_FROM = 64, 64
# Shifts are taken to scatter by this part of the field of view at least.
LEAST_SIGMA = 0.01
# A sample is looked at so many times at most: again while its shifts' spread grows by this factor.
MOST_PASSES, GROWN = 4, 1.08
# Proposed views that are compared where the first look leaves doubt, for each compared at first.
PROPOSED_AGAIN = 3
# Images that are searched thoroughly together: about a second's work.
CPU_THOROUGH, LARGEST_THOROUGH, THOROUGH_NUMBERS_A_PIXEL = 16, 4096, 64


class GlobalSearch:
    """Searches the particles of a likelihood under a symmetry group ``(g, 3, 3)``.

    ``is_thorough`` False leaves out the second look at particles in doubt.  With a ``proposer``,
    ``n_proposed`` of the views that it proposes are compared in place of all; those in doubt are
    searched (``n_searched`` of them), or, where ``searches`` is False, more of the proposed ones
    compared.  ``learned`` is what another search of the same stack has learned, and ``chunks`` are
    its own: on a CPU the same images are then worked on together.
    """

    def __init__(
        self,
        likelihood: ParticleLikelihood,
        group: Tensor,
        *,
        shift_reach_angstrom: float | None = None,
        is_thorough: bool = True,
        proposer: Proposer | None = None,
        n_proposed: int = 64,
        searches: bool = True,
        learned: StackPriors | None = None,
        chunks: tuple[int, int] | None = None,
    ) -> None:
        # Its own, since it learns how strong the particles are.
        self.likelihood = copy.copy(likelihood)
        self._wide_group = group
        self._group = group.float().to(likelihood.device)
        if learned is None:
            prior = widest_prior(likelihood, shift_reach_angstrom)
            learned = StackPriors(information_of(likelihood), prior)
            self._is_prior_learned = False
        else:
            self.likelihood.take_amplitudes(learned.strength, learned.amplitude_sigma)
            self._is_prior_learned = True
        self._information, self._prior = learned.information, learned.prior
        self._reach = self._prior.reach_angstrom
        self._presence = Presence(self.likelihood, len(group))
        self._presence.share = learned.presence_share
        # How far proposed shifts may be off; None where that was not learned.
        self._beside: ShiftPrior | None = learned.beside
        self._proposer, self._n_proposed = proposer, n_proposed
        self._searches = searches or proposer is None
        self.coarse = self._look(
            quick_plan(self._information), self._prior, None if proposer is None else n_proposed
        )
        self._further: dict[str, CoarseSearch] = {}
        self._is_thorough = is_thorough
        n_bytes = 4 * likelihood.particles.box**2
        self._chunk, self._thorough_chunk = (
            room_for(numbers * n_bytes, likelihood.device, cpu=cpu, most=most)
            for numbers, cpu, most in (
                (NUMBERS_A_PIXEL, CPU_CHUNK, LARGEST_CHUNK),
                (THOROUGH_NUMBERS_A_PIXEL, CPU_THOROUGH, LARGEST_THOROUGH),
            )
        )
        if chunks is not None and likelihood.device.type == "cpu":
            self._chunk = min(chunks[0], CPU_CHUNK)
            self._thorough_chunk = min(chunks[1], CPU_THOROUGH)
        self.n_thorough, self.n_searched = 0, 0
        self._lock = threading.Lock()  # of what the further looks share between threads

    def _look(self, plan: Plan, prior: ShiftPrior, n_proposed: int | None = None) -> CoarseSearch:
        """Make a search ready; one of proposed views where there is a number of them."""
        directions = None
        if n_proposed is not None and self._proposer is not None:
            directions, plan = self._proposer.directions, from_proposals(plan, n_proposed)
        look = CoarseSearch(
            self.likelihood,
            self._wide_group,
            plan,
            prior,
            fill=self._information.fill,
            proposed=directions,
        )
        if directions is not None:
            look.take_shifts(prior, self._beside)
        return look

    def _further_look(self, name: str) -> CoarseSearch:
        """Return a look for particles in doubt, "quick" or "thorough", or far off, "far"."""
        with self._lock:
            if name not in self._further:
                prior = self._prior.thorough()
                plan = thorough_plan(self._information)
                if name == "far":
                    plan, prior = quick_plan(self._information), self._prior.widened(self._reach)
                if name == "quick":
                    plan, prior = quick_plan(self._information), self._prior
                n_proposed = None if self._searches else PROPOSED_AGAIN * self._n_proposed
                self._further[name] = self._look(plan, prior, n_proposed)
            return self._further[name]

    @property
    def group(self) -> Tensor:
        """The symmetry group ``(g, 3, 3)`` as it was given."""
        return self._wide_group

    @property
    def shift_reach_angstrom(self) -> float:
        """How far particles may lie from the centre."""
        return self._reach

    @property
    def chunks(self) -> tuple[int, int]:
        """How many particles are searched together at most, and how many in a second look."""
        return self._chunk, self._thorough_chunk

    def learned(self, rows: Integers, reporter: Reporter = SILENT) -> StackPriors:
        """Learn from ``rows``, all that will be searched, unless that was done; return it."""
        if not self._is_prior_learned:
            self.learn_shifts(rows, reporter)
        return self.priors

    @property
    def priors(self) -> StackPriors:
        """What is known of the stack so far."""
        return StackPriors(
            self._information,
            self._prior,
            self.likelihood.strength,
            self.likelihood.amplitude_sigma,
            self._presence.share,
            self._beside,
        )

    def reading(self, particles: ParticleSet) -> GlobalSearch:
        """Return the same search with other particles of the same stack to read."""
        other = copy.copy(self)
        other.likelihood = self.likelihood.reading(particles)
        other._proposer = None if self._proposer is None else self._proposer.reading(particles)
        return other

    def without_second_look(self) -> GlobalSearch:
        """Return the same search, which looks at particles in doubt no more than at others."""
        other = copy.copy(self)
        other._is_thorough = False
        return other

    def learn_shifts(self, rows: Integers, reporter: Reporter = SILENT) -> None:
        """Learn from a sample of ``rows`` where particles lie, how strong and how many they are.

        Each pass reaches further than the one before, as long as more is found further out.
        """
        self._is_prior_learned = True
        if len(rows) < FEWEST_TO_LEARN_FROM:
            return
        sample = rows[np.unique(np.linspace(0, len(rows) - 1, N_TO_LEARN_FROM).astype(np.int64))]
        quiet, before = Reporter(should_stop=reporter.should_stop), self._prior
        for number in range(MOST_PASSES):
            look, seen = self.of_images if number else self._looked_at_once, self._prior
            if not (parts := list(self._searched(sample, look, quiet))):
                break
            found, share = FoundPoses.joined(parts), self._presence.share
            if number:
                self._presence.share = learned_share(found.presence_log_odds, share)
            self._learn_from(found, before)
            if number and self._prior.sigma_angstrom < GROWN * seen.sigma_angstrom:
                break
        self.n_thorough = self.n_searched = 0

    def _learn_from(self, found: FoundPoses, before: ShiftPrior) -> None:
        """Learn shifts and amplitudes of poses found; ``before`` was thought of the shifts."""
        least = self.likelihood.field_of_view_angstrom * LEAST_SIGMA
        weight, shifts = found.confidence, found.poses.shifts_angstrom
        learned = before.learned(shifts, weight, least)
        self._prior = self._prior if learned is before else learned
        if (proposals := self._proposed(found.rows)) is not None:
            off = from_nearest(shifts, in_numpy(proposals.shifts_angstrom))
            self._beside = before.learned(off, weight, least)
        self.coarse.take_shifts(self._prior, self._beside)
        self._further = {}
        self.likelihood.take_amplitudes(*learned_amplitudes(found.strengths, weight))

    def search(self, rows: Integers, reporter: Reporter = SILENT) -> Iterator[FoundPoses]:
        """Yield the poses of particles ``rows`` in order, chunk by chunk.

        It ends early when the reporter says so.
        """
        self.learned(rows, reporter)
        yield from self._searched(rows, self.of_images, reporter)

    def _searched(
        self,
        rows: Integers,
        work: Callable[[Integers, BandData, Callable[[], bool]], FoundPoses],
        reporter: Reporter,
    ) -> Iterator[FoundPoses]:
        device = self.likelihood.device
        return in_threads(
            len(rows),
            part_of(len(rows), self._chunk),
            device,
            load=lambda chunk: self.likelihood.load(rows[chunk]),
            work=lambda chunk, data, ends: work(rows[chunk], data, ends),
            reporter=reporter,
        )

    @torch.no_grad()
    def of_images(
        self, rows: Integers, data: BandData, should_stop: Callable[[], bool] | None = None
    ) -> FoundPoses:
        """Search images already loaded, those that stay doubtful twice.

        Raises Stopped when ``should_stop`` says so on the way.
        """
        proposals = self._proposed(rows)
        judged = self._judged(data, self._climbed(data, self.coarse, proposals))
        if self._is_thorough:
            doubtful = self._is_doubtful(judged)
            if self._searches and proposals is not None:
                with self._lock:
                    self.n_searched += int(doubtful.sum())
                judged = self._again(data, judged, doubtful, "quick", should_stop)
                doubtful &= self._is_doubtful(judged)
            judged = self._again(data, judged, doubtful, "thorough", should_stop, proposals)
            if self._searches:
                far = self.coarse.is_beyond(judged.top.shifts_angstrom)
                judged = self._again(data, judged, doubtful & far, "far", should_stop)
        return self._found(rows, data, judged)

    def _proposed(self, rows: Integers) -> Proposals | None:
        return None if self._proposer is None else self._proposer.propose(rows)

    @torch.no_grad()
    def _looked_at_once(
        self,
        rows: Integers,
        data: BandData,
        should_stop: Callable[[], bool],  # noqa: ARG002 (called as the other look is)
    ) -> FoundPoses:
        left = self._climbed(data, self.coarse, self._proposed(rows))
        return self._found(rows, data, self._judged(data, left))

    def _is_doubtful(self, judged: Judged) -> Tensor:
        """Tell which images ``(b,)`` another look is for."""
        confidence = judged.choice.confidence * judged.presence.sigmoid()
        beyond = self.coarse.is_beyond(judged.top.shifts_angstrom)
        doubtful: Tensor = (confidence < SURE) | is_weak(judged.top) | beyond
        return doubtful

    def _judged(self, data: BandData, left: RemainingHypotheses) -> Judged:
        """Choose among what is left of images, and judge whether they show the particle."""
        choice = left.choice(self._group, self._prior)
        presence = self._presence.log_odds(data, left.at, self._prior, left.owner)
        return Judged(left, choice, presence)

    def _scores(self, at: Hypotheses) -> Tensor:
        """Return log-likelihoods ``(q,)`` with how likely the shifts are."""
        return at.log_likelihood + self._prior.log_density(at.shifts_angstrom)

    def _found(self, rows: Integers, data: BandData, judged: Judged) -> FoundPoses:
        choice, presence, top = judged.choice, judged.presence, judged.top
        has_second = choice.runner_up >= 0
        second = judged.left.at[torch.where(has_second, choice.runner_up, choice.best)]
        margin = self._scores(top) - self._scores(second)
        margin = torch.where(has_second, margin, torch.inf)
        return FoundPoses(
            rows,
            _poses(top.rotations, top.shifts_angstrom),
            in_numpy(correlations(data, top)),
            in_numpy(top.log_likelihood),
            in_numpy(choice.confidence * presence.sigmoid()),
            in_numpy(choice.confidence),
            in_numpy(presence),
            _poses(second.rotations, second.shifts_angstrom),
            in_numpy(margin),
            strengths_of(top),
        )

    def _again(
        self,
        data: BandData,
        judged: Judged,
        which: Tensor,
        name: str,
        should_stop: Callable[[], bool] | None,
        proposals: Proposals | None = None,
    ) -> Judged:
        """Give images ``which`` ``(b,)`` another look; what they had stays in the running."""
        left = judged.left
        for again in torch.split(torch.nonzero(which)[:, 0], self._thorough_chunk):
            if not len(again):
                break
            if should_stop is not None and should_stop():
                raise Stopped
            look = self._further_look(name)
            with self._lock:
                self.n_thorough += len(again) if name == "thorough" else 0
            more = self._climbed(data[again], look, proposals and proposals[again])
            at = Hypotheses.joined([left.at, more.at])
            owner = torch.cat([left.owner, again[more.owner]])
            log_prior = self._prior.log_density(at.shifts_angstrom)
            kept, _ = thinned(at, owner, self._group, look.plan.stages[-1].thinning, log_prior)
            # Images that are not looked at again keep all they had.
            is_again = torch.zeros(len(data), dtype=torch.bool, device=again.device)
            is_again[again] = True
            untouched = torch.nonzero(~is_again[owner])[:, 0]
            kept = torch.cat([untouched, kept[is_again[owner[kept]]]])
            lost = left.lost.index_copy(0, again, more.lost)
            gained = left.gained.index_copy(0, again, more.gained)
            left = RemainingHypotheses(at[kept], owner[kept], lost, gained)
        return judged if left is judged.left else self._judged(data, left)

    def _climbed(
        self, data: BandData, coarse: CoarseSearch, proposals: Proposals | None = None
    ) -> RemainingHypotheses:
        """Return what a plan leaves of images, of their proposals where it begins with such."""
        found = coarse.best(data, proposals if coarse.takes_proposals else None)
        best = found.scores[:, 0]
        is_there = found.scores > -torch.inf
        owner = torch.nonzero(is_there)[:, 0]
        rotations, shifts = found.rotations[is_there], found.shifts_angstrom[is_there]
        lost = found.lost
        at: Hypotheses | None = None
        for stage in coarse.plan.stages:
            at = climb(
                self.likelihood,
                data,
                owner,
                rotations if at is None else at.rotations,
                shifts if at is None else at.shifts_angstrom,
                radius=stage.radius or self.likelihood.radius,
                n_steps=stage.n_steps,
                largest_turn_deg=stage.largest_turn_deg,
                trusted_part=TRUSTED_PART,
            )
            log_prior = coarse.prior.log_density(at.shifts_angstrom)
            kept, just_lost = thinned(at, owner, self._group, stage.thinning, log_prior)
            lost = torch.logaddexp(lost, just_lost)
            at, owner = at[kept], owner[kept]
        assert at is not None
        top_score = best_of_each(at.log_likelihood, owner, len(data))
        # What proposals lack is told from the views that were compared.
        gained = torch.zeros_like(best) if coarse.takes_proposals else top_score - best
        return RemainingHypotheses(at, owner, lost, gained)


def _poses(rotations: Tensor, shifts_angstrom: Tensor) -> Poses:
    return Poses(in_numpy(rotations), in_numpy(shifts_angstrom))
