"""Particles that the quick search leaves in doubt are searched once more, and only they."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.information import Information
from napari_cryoorient.alignment.refine.hypotheses import Thinning
from napari_cryoorient.alignment.search import global_search
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.alignment.search.plans import SURE, Plan, Rung, quick_plan
from napari_cryoorient.evaluation import pose_errors
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.reporting import Reporter

C1 = symmetry_matrices("C1")
ROWS = np.arange(40)


def searched(search: GlobalSearch) -> FoundPoses:
    return FoundPoses.joined(list(search.search(ROWS)))


@pytest.fixture
def poor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick search that climbs one cell of a band too narrow to tell much."""

    def poor_plan(information: Information) -> Plan:
        first, *rest = quick_plan(information).stages
        stages = (replace(first, radius=4.0, thinning=Thinning(1)), *rest)
        return Plan((Rung(4.0),), 8, Thinning(1), stages)

    monkeypatch.setattr(global_search, "quick_plan", poor_plan)


@pytest.mark.usefixtures("poor")
def test_what_a_poor_search_missed_is_found_by_the_thorough_one(likelihood, particles):
    search = GlobalSearch(likelihood, C1)
    both = searched(search)
    assert 5 <= search.n_thorough <= 40
    alone = searched(GlobalSearch(likelihood, C1, is_thorough=False))
    before, after = (
        pose_errors(f.poses, particles.poses, C1).angles_deg < 10 for f in (alone, both)
    )
    in_doubt = alone.confidence < SURE
    assert before[in_doubt].mean() < 0.6
    assert after[in_doubt].mean() >= 0.9
    # The quick poses stay in the running: nothing gets less likely.
    assert (both.log_likelihood >= alone.log_likelihood - 1e-3).all()


def test_sure_particles_are_left_alone(likelihood, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(global_search, "CPU_CHUNK", 40)
    first = searched(GlobalSearch(likelihood, C1))
    chosen: list[int] = []
    again = GlobalSearch._again

    def spy(self, data, left, which, name, *rest):
        if name == "thorough":
            chosen.extend(torch.nonzero(which)[:, 0].tolist())
        return again(self, data, left, which, name, *rest)

    monkeypatch.setattr(GlobalSearch, "_again", spy)
    monkeypatch.setattr(global_search, "is_weak", lambda at: torch.arange(len(at)) == 3)
    second = searched(GlobalSearch(likelihood, C1))
    assert 3 in chosen
    assert len(chosen) < 20
    others = np.setdiff1d(ROWS, chosen)
    np.testing.assert_array_equal(first.poses.rotations[others], second.poses.rotations[others])
    np.testing.assert_array_equal(first.confidence[others], second.confidence[others])


@pytest.mark.usefixtures("poor")
def test_a_thorough_search_is_left_in_the_middle(likelihood, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(global_search, "CPU_CHUNK", 40)
    monkeypatch.setattr(global_search, "CPU_THOROUGH", 2)
    search = GlobalSearch(likelihood, C1)
    parts = search.search(ROWS, Reporter(should_stop=lambda: search.n_thorough >= 2))
    assert list(parts) == []
    assert search.n_thorough == 2
