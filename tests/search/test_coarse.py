"""The matrix products against the sum they stand for, and the search against the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.evaluation import pose_errors
from napari_cryoorient.geometry.grids import view_directions
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.search.coarse import CoarseSearch, hexagonal_shifts
from napari_cryoorient.search.global_search import FoundPoses, GlobalSearch

C1 = symmetry_matrices("C1")


def coarse(likelihood, group=C1, **changes) -> CoarseSearch:
    values = {
        "radius": 8.0,
        "spacing_deg": 15.0,
        "shift_reach_angstrom": 16.0,
        "shift_step_angstrom": 10.0,
    }
    return CoarseSearch(likelihood, group, **(values | changes))


def test_scores_are_the_likelihood_of_the_poses(likelihood):
    """Astigmatic CTFs: turning a template is not turning an image."""
    data = likelihood.load(np.arange(12))
    found = coarse(likelihood).best(data, 20)
    m = likelihood.n_frequencies(8.0)
    band = data.band(m)
    slices = likelihood.slices(found.rotations.flatten(0, 1), m).view(12, 20, m)
    template = slices * likelihood.ramps(found.shifts_angstrom, m)
    direct = (2 * (band.cross[:, None].conj() * template).real).sum(2)
    direct = direct - (band.power[:, None] * template.abs().square()).sum(2)
    # Rings half a pixel apart, joined by straight lines, lose a few percent.
    assert torch.corrcoef(torch.stack([direct.flatten(), found.scores.flatten()]))[0, 1] > 0.995
    assert 0.9 < float(found.scores.sum() / direct.sum()) < 1.05
    assert bool((found.scores.diff(dim=1) <= 0).all())
    assert bool((found.total >= found.scores[:, 0]).all())


def test_results_do_not_depend_on_the_chunk(likelihood, monkeypatch):
    data = likelihood.load(np.arange(12))
    whole = coarse(likelihood).best(data, 10)
    monkeypatch.setattr("napari_cryoorient.search.coarse.SCORES", {"cpu": 2**16})
    parts = coarse(likelihood).best(data, 10)
    torch.testing.assert_close(parts.scores, whole.scores, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(parts.rotations[:, 0], whole.rotations[:, 0])


def test_symmetry_leaves_one_asymmetric_unit_of_views(likelihood):
    everywhere = coarse(likelihood)
    unit = coarse(likelihood, symmetry_matrices("D2"))
    assert len(everywhere.views) == len(view_directions(15.0))
    assert len(unit.views) < 0.45 * len(everywhere.views)


def test_hexagonal_shifts_lie_a_step_apart_within_reach():
    shifts = hexagonal_shifts(16.0, 5.0)
    distances = torch.cdist(shifts, shifts) + 99 * torch.eye(len(shifts))
    assert torch.allclose(distances.amin(1), torch.full((len(shifts),), 5.0), atol=1e-4)
    assert shifts[0].tolist() == [0, 0]
    assert float(shifts.norm(dim=1).max()) <= 16.0
    assert hexagonal_shifts(0.0, 5.0).tolist() == [[0, 0]]


@pytest.fixture(scope="module")
def found(likelihood) -> FoundPoses:
    return FoundPoses.joined(list(GlobalSearch(likelihood, C1).search(np.arange(40))))


def test_search_finds_the_poses(found, particles):
    errors = pose_errors(found.poses, particles.poses, C1)
    assert errors.fraction_under_10_deg >= 0.95
    assert errors.median_deg < 3.0
    assert errors.shift_rms_angstrom < 4.0
    assert found.confidence.mean() > 0.9


def test_runner_up_is_elsewhere_and_less_likely(found):
    has = np.isfinite(found.margin)
    assert (found.margin[has] >= 0).all()
    if has.any():
        angles = pose_errors(
            type(found.poses)(found.runner_up.rotations[has], found.runner_up.shifts_angstrom[has]),
            type(found.poses)(found.poses.rotations[has], found.poses.shifts_angstrom[has]),
            C1,
        ).angles_deg
        assert angles.min() > 7.9


def test_search_stops_when_asked_to(likelihood, monkeypatch):
    monkeypatch.setattr("napari_cryoorient.search.global_search.CHUNK_SIZE", {"cpu": 4})
    seen: list[int] = []
    parts = GlobalSearch(likelihood, C1).search(
        np.arange(12), progress=lambda done, _: seen.append(done), should_stop=lambda: bool(seen)
    )
    assert [list(part.rows) for part in parts] == [[0, 1, 2, 3]]
    assert seen == [4]


def test_results_do_not_depend_on_the_number_of_threads(likelihood, monkeypatch):
    """Chunks come back in order, whichever thread is done first."""
    monkeypatch.setattr("napari_cryoorient.search.global_search.CHUNK_SIZE", {"cpu": 3})
    rows = np.arange(12)
    before, told = torch.get_num_threads(), []
    found = []
    try:
        for n in (1, 3):
            torch.set_num_threads(n)
            parts = GlobalSearch(likelihood, C1).search(
                rows, progress=lambda done, total: told.append(done)
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
    monkeypatch.setattr("napari_cryoorient.search.global_search.CHUNK_SIZE", {"cpu": 2})
    seen = []
    search = GlobalSearch(likelihood, C1)
    for part in search.search(np.arange(12), should_stop=lambda: len(seen) > 0):
        seen.append(part)
    assert 1 <= len(seen) < 6
