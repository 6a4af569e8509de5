"""Views proposed by something else take the place of the first rung, and nothing else changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import BandData
from napari_cryoorient.alignment.refine.hypotheses import Thinning
from napari_cryoorient.alignment.search.coarse import SHIFT_STEPS_PER_RADIUS, CoarseSearch
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.alignment.search.plans import Plan, Rung, from_proposals
from napari_cryoorient.alignment.search.proposals import Proposals
from napari_cryoorient.alignment.search.shifts import ShiftPrior
from napari_cryoorient.alignment.search.view_bank import ViewBank
from napari_cryoorient.evaluation import pose_errors
from napari_cryoorient.geometry.grids import view_directions
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from support.simulated_stack import at_likeliest_amplitude

C1 = symmetry_matrices("C1")
ROWS = np.arange(30)
N_PROPOSED = 24


@dataclass
class Known:
    """Proposes the views beside the true ones, or beside others that it makes up."""

    particles: object
    is_right: bool = True

    directions: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.directions = view_directions(12.0)
        self.asked: list[int] = []

    def propose(self, rows: np.ndarray) -> Proposals:
        self.asked += rows.tolist()
        poses = self.particles.poses[rows]
        views = torch.from_numpy(poses.rotations[:, 2]) @ self.directions.t()
        if not self.is_right:
            views = torch.rand(views.shape, generator=torch.Generator().manual_seed(0))
        shifts = torch.from_numpy(poses.shifts_angstrom).float()
        return Proposals((20 * views).float()[:, None], shifts[:, None] + 2.0)


def found_by(search: GlobalSearch) -> FoundPoses:
    return FoundPoses.joined(list(search.search(ROWS)))


@pytest.fixture(scope="module")
def right(likelihood, particles) -> FoundPoses:
    proposer = Known(particles)
    return found_by(
        GlobalSearch(likelihood, C1, proposer=proposer, n_proposed=N_PROPOSED, searches=False)
    )


def test_right_views_come_to_the_poses_a_search_finds(right, likelihood):
    searched = found_by(GlobalSearch(likelihood, C1))
    apart = pose_errors(right.poses, searched.poses, C1).angles_deg
    assert np.median(apart) < 0.3
    assert (apart < 5).mean() >= 0.9
    assert right.confidence.mean() > 0.9


def test_made_up_views_are_not_searched_and_rarely_right(likelihood, particles):
    proposer = Known(particles, is_right=False)
    search = GlobalSearch(
        likelihood, C1, proposer=proposer, n_proposed=4, searches=False, is_thorough=False
    )
    found = found_by(search)
    errors = pose_errors(found.poses, particles.poses[ROWS], C1)
    assert errors.fraction_under_10_deg < 0.5
    assert found.confidence.mean() < 0.8
    assert sorted(proposer.asked) == ROWS.tolist()


def test_doubtful_particles_are_searched_where_that_is_allowed(likelihood, particles):
    proposer = Known(particles, is_right=False)
    search = GlobalSearch(likelihood, C1, proposer=proposer, n_proposed=4)
    found = found_by(search)
    # All views are looked at first, as a search does, and few are left in doubt then.
    assert search.n_searched > 10
    assert search.n_thorough < search.n_searched
    assert pose_errors(found.poses, particles.poses[ROWS], C1).fraction_under_10_deg >= 0.9


def test_scores_are_the_likelihood_of_the_poses_at_each_images_own_shifts(likelihood, particles):
    data = likelihood.load(ROWS)
    plan = Plan((Rung(6.0), Rung(9.0)), 20, Thinning(20, deficit=1e9, distinct_deg=0.0), ())
    prior, known = ShiftPrior(9.0, 20.0), Known(particles)
    search = CoarseSearch(
        likelihood,
        C1,
        from_proposals(plan, N_PROPOSED),
        prior,
        fill=0.8,
        proposed=known.directions,
    )
    search.take_shifts(prior, ShiftPrior(3.0, 20.0))
    found = search.best(data, known.propose(ROWS))
    direct = at_likeliest_amplitude(
        likelihood, data, found.rotations, found.shifts_angstrom, prior, 9.0
    )
    assert torch.corrcoef(torch.stack([direct.flatten(), found.scores.flatten()]))[0, 1] > 0.995
    assert 0.9 < float(found.scores.sum() / direct.sum()) < 1.05
    # Shifts that are tried lie around the proposed one.
    apart = (found.shifts_angstrom - known.propose(ROWS).shifts_angstrom).norm(dim=-1)
    step = likelihood.field_of_view_angstrom / (SHIFT_STEPS_PER_RADIUS * 9.0)
    assert float(apart.max()) < 1.01 * step
    assert len(apart.unique()) > 1
    # Where the particles scatter less than the proposals are off, those count for nothing.
    search.take_shifts(ShiftPrior(2.0, 20.0), ShiftPrior(3.0, 20.0))
    far = Proposals(known.propose(ROWS).log_weights, torch.full((len(ROWS), 1, 2), 300.0))
    assert float(search.best(data, far).shifts_angstrom.norm(dim=-1).max()) < 20.0


def test_views_at_the_right_one_of_several_places_are_enough(right, likelihood, particles):
    proposer = Known(particles)

    def at_two_places(rows: np.ndarray) -> Proposals:
        there = Known.propose(proposer, rows)
        elsewhere = there.shifts_angstrom + 40.0
        wrong = torch.rand(there.log_weights.shape, generator=torch.Generator().manual_seed(1))
        return Proposals(
            torch.cat([wrong, there.log_weights], dim=1),
            torch.cat([elsewhere, there.shifts_angstrom], dim=1),
        )

    proposer.propose = at_two_places  # type: ignore[method-assign]
    both = GlobalSearch(
        likelihood, C1, proposer=proposer, n_proposed=2 * N_PROPOSED, searches=False
    )
    # Too few particles to learn from how far the places are off.
    both.coarse.take_shifts(both.coarse.prior, ShiftPrior(3.0, 20.0))
    found = found_by(both)
    assert np.median(pose_errors(found.poses, right.poses, C1).angles_deg) < 0.3
    moved = found.poses.shifts_angstrom - right.poses.shifts_angstrom
    assert np.median(np.linalg.norm(moved, axis=1)) < 0.3


def test_left_out_views_weigh_what_the_proposer_thought_of_them(likelihood, particles):
    clear, known = likelihood.load(ROWS), Known(particles)
    # Under so much noise that the image says little against views that were not compared.
    noisy = BandData(clear.cross / 500, clear.power / 500, clear.energy / 500)
    search = CoarseSearch(
        likelihood,
        C1,
        Plan((Rung(9.0, 4),), 20, Thinning(4), ()),
        ShiftPrior(9.0, 20.0),
        fill=0.8,
        proposed=known.directions,
    )
    sharp = known.propose(ROWS)
    flat = Proposals(sharp.log_weights / 20, sharp.shifts_angstrom)
    few_of_flat, few_of_sharp = search.best(noisy, flat).lost, search.best(noisy, sharp).lost
    assert bool((few_of_flat > few_of_sharp).all())
    assert float(few_of_flat.median()) > float(few_of_sharp.median()) + 1
    # What a clear image says against views elsewhere counts against these too.
    assert bool((search.best(clear, flat).lost < few_of_flat - 1).all())


def test_neighbours_are_found_beyond_the_edge_of_an_asymmetric_unit(likelihood):
    group = symmetry_matrices("D7")
    bank = ViewBank(likelihood, group, radius=8.0, fill=0.8, takes_all=False)
    unit = view_directions(10.0, group, with_rim=False)
    near = bank.neighbours_among(unit, group)
    equivalents = torch.einsum("gij,vj->vgi", group.double(), unit)
    closeness = torch.einsum("ni,vgi->nvg", bank.directions, equivalents).amax(2)
    expected = closeness.topk(3, dim=1).indices
    torch.testing.assert_close(near.sort(1).values, expected.sort(1).values)
    across = bank.neighbours_among(unit)
    assert bool((near[:, 0] != across[:, 0]).any())
