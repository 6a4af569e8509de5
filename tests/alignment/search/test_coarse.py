"""The matrix products against the sum they stand for, and the search against the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.likelihood import BandData
from napari_cryoorient.alignment.refine.hypotheses import Thinning
from napari_cryoorient.alignment.search.coarse import Candidates, CoarseSearch
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.alignment.search.plans import Plan, Rung
from napari_cryoorient.alignment.search.shifts import ShiftPrior
from napari_cryoorient.alignment.search.view_bank import ViewBank
from napari_cryoorient.evaluation import pose_errors
from napari_cryoorient.geometry.rotations import angular_distance_deg, random_rotations
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.reporting import SILENT, Reporter
from support.simulated_stack import at_likeliest_amplitude, likelihood_of, simulation_of

C1 = symmetry_matrices("C1")
FILL = 0.8
ANYWHERE = ShiftPrior(9.0, 20.0)
EVERYTHING = Thinning(20, deficit=1e9, distinct_deg=0.0)


def coarse(
    likelihood, *rungs: Rung, group=C1, candidates=EVERYTHING, prior=ANYWHERE
) -> CoarseSearch:
    plan = Plan(rungs or (Rung(8.0),), 20, candidates, ())
    return CoarseSearch(likelihood, group, plan, prior, fill=FILL)


def directly(likelihood, data, found: Candidates, prior: ShiftPrior, radius: float) -> torch.Tensor:
    return at_likeliest_amplitude(
        likelihood, data, found.rotations, found.shifts_angstrom, prior, radius
    )


@pytest.mark.parametrize("rungs", [(Rung(8.0),), (Rung(6.0), Rung(8.0, 60))], ids=["one", "two"])
def test_scores_are_the_likelihood_of_the_poses(likelihood, rungs):
    """Astigmatic CTFs: turning a template is not turning an image."""
    data = likelihood.load(np.arange(12))
    search = coarse(likelihood, *rungs)
    found = search.best(data)
    direct = directly(likelihood, data, found, search.prior, 8.0)
    # Rings half a pixel apart, joined by straight lines, lose a few percent.
    assert torch.corrcoef(torch.stack([direct.flatten(), found.scores.flatten()]))[0, 1] > 0.995
    assert 0.9 < float(found.scores.sum() / direct.sum()) < 1.05
    assert bool((found.scores.diff(dim=1) <= 0).all())
    assert bool(found.lost.isfinite().all())


def test_rough_products_tell_poses_apart_as_exact_ones_do(likelihood, monkeypatch):
    """What all views have in common may be far larger than how they differ: it is not rounded."""
    data = likelihood.load(np.arange(12))
    views = random_rotations(200, torch.Generator().manual_seed(0))
    common = likelihood.slices(views, data.cross.shape[1]).mean(0)
    data = BandData(data.cross + 20 * common * data.power, data.power, data.energy)
    scores = []
    for is_rough in (False, True):
        name = "napari_cryoorient.alignment.search.in_plane.multiplies_bfloat16"
        monkeypatch.setattr(name, lambda _, is_rough=is_rough: is_rough)
        bank = ViewBank(likelihood, C1, radius=8.0, fill=FILL, takes_all=True)
        scores.append(bank.score_all(data, torch.zeros(1, 2), torch.zeros(1)).scores)
    exact, rough = scores
    assert 0 < float((rough - exact).std()) < 0.01 * float(exact.std())


def test_a_second_rung_finds_what_the_whole_grid_would(likelihood):
    """Of all views, a fifth near the best of a narrower band are compared."""
    data = likelihood.load(np.arange(40))
    whole = coarse(likelihood, Rung(9.0)).best(data)
    rung = coarse(likelihood, Rung(6.0), Rung(9.0, 70))
    assert 0.3 * len(rung.banks[1]) > 70
    assert float((rung.best(data).scores[:, 0] >= whole.scores[:, 0] - 1e-2).float().mean()) > 0.9


def test_results_do_not_depend_on_the_chunk(likelihood, monkeypatch):
    data = likelihood.load(np.arange(12))
    rungs = (Rung(6.0), Rung(8.0, 60))
    whole = coarse(likelihood, *rungs).best(data)
    monkeypatch.setattr("napari_cryoorient.alignment.search.view_bank.CPU_SCORES", 2**16)
    monkeypatch.setattr("napari_cryoorient.alignment.search.coarse.CPU_TOGETHER", 5)
    parts = coarse(likelihood, *rungs).best(data)
    torch.testing.assert_close(parts.scores, whole.scores, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(parts.rotations[:, 0], whole.rotations[:, 0])
    torch.testing.assert_close(parts.lost, whole.lost, atol=1e-3, rtol=1e-3)


def test_poses_to_climb_are_distinct_and_not_too_far_behind(likelihood):
    rule = Thinning(6, deficit=20.0, part=0.5, distinct_deg=12.0)
    found = coarse(likelihood, candidates=rule).best(likelihood.load(np.arange(12)))
    is_there = found.scores > -torch.inf
    assert is_there[:, 0].all()
    assert is_there.any(dim=0)[1:].any()
    for rotations, there, scores in zip(found.rotations, is_there, found.scores, strict=True):
        kept = rotations[there]
        apart = angular_distance_deg(kept[:, None], kept[None]) + 99 * torch.eye(len(kept))
        assert apart.min() > 11.9
        assert (scores[there] >= scores[0] - rule.allowed(scores[0])).all()


def test_symmetry_leaves_one_asymmetric_unit_of_views(likelihood):
    everywhere = coarse(likelihood).banks[0]
    unit = coarse(likelihood, group=symmetry_matrices("D2")).banks[0]
    assert len(unit) < 0.45 * len(everywhere)


@pytest.fixture(scope="module")
def found(likelihood) -> FoundPoses:
    return FoundPoses.joined(list(GlobalSearch(likelihood, C1).search(np.arange(40))))


def test_search_finds_the_poses(found, particles):
    errors = pose_errors(found.poses, particles.poses, C1)
    assert errors.fraction_under_10_deg >= 0.95
    assert errors.median_deg < 3.0
    assert errors.shift_rms_angstrom < 4.0
    assert found.confidence.mean() > 0.9


def test_runner_up_is_elsewhere_and_less_likely(found, density):
    assert np.isinf(found.margin).all()  # little noise: nothing else is likely
    noisy = likelihood_of(density, simulation_of(density, snr=0.03))
    doubtful = FoundPoses.joined(list(GlobalSearch(noisy, C1).search(np.arange(12))))
    has = np.isfinite(doubtful.margin)
    assert has.sum() >= 6
    assert (doubtful.margin[has] >= 0).all()
    angles = pose_errors(doubtful.runner_up[has], doubtful.poses[has], C1).angles_deg
    assert angles.min() > 7.9


def test_search_stops_when_asked_to(likelihood, monkeypatch):
    monkeypatch.setattr("napari_cryoorient.alignment.search.global_search.CPU_CHUNK", 4)
    seen: list[int] = []
    parts = GlobalSearch(likelihood, C1).search(
        np.arange(12), Reporter(should_stop=lambda: bool(seen)).watched(lambda n, _: seen.append(n))
    )
    assert [list(part.rows) for part in parts] == [[0, 1, 2, 3]]
    assert seen == [4]


def test_results_do_not_depend_on_the_number_of_threads(likelihood, monkeypatch):
    """Chunks come back in order, whichever thread is done first."""
    monkeypatch.setattr("napari_cryoorient.alignment.search.global_search.CPU_CHUNK", 3)
    rows = np.arange(12)
    before, told = torch.get_num_threads(), []
    found = []
    try:
        for n in (1, 3):
            torch.set_num_threads(n)
            parts = GlobalSearch(likelihood, C1).search(
                rows, SILENT.watched(lambda done, _: told.append(done))
            )
            found.append(FoundPoses.joined(list(parts)))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(before)
    assert told == [3, 6, 9, 12] * 2
    one, several = found
    np.testing.assert_array_equal(several.rows, rows)
    np.testing.assert_allclose(several.poses.rotations, one.poses.rotations, atol=1e-5)
    np.testing.assert_allclose(several.confidence, one.confidence, atol=1e-5)


def test_a_stop_ends_all_threads(likelihood, monkeypatch):
    monkeypatch.setattr("napari_cryoorient.alignment.search.global_search.CPU_CHUNK", 2)
    seen = []
    search = GlobalSearch(likelihood, C1)
    for part in search.search(np.arange(12), Reporter(should_stop=lambda: len(seen) > 0)):
        seen.append(part)
    assert 1 <= len(seen) < 6
