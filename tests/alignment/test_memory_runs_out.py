"""Memory that runs out in a chunk of a search or a refinement halves it, and changes no result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.nulls.trial import NullTrial, try_nulls
from napari_cryoorient.alignment.refine.confidence import confidence_of
from napari_cryoorient.alignment.refine.local import LocalRefinement, RefinedPoses
from napari_cryoorient.alignment.search.coarse import CoarseSearch
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.budget import Budget, held_to

C1 = torch.eye(3)[None]


class ShortMemory:
    """Lets a method take so many images; more raise what CUDA raises."""

    def __init__(self, method: Callable[..., Any], most: int) -> None:
        self._method, self._most = method, most
        self.sizes: list[int] = []

    def __get__(self, owner: object, kind: type) -> Callable[..., Any]:
        def called(data: Any, *args: Any, **kwargs: Any) -> Any:
            self.sizes.append(len(data))
            if len(data) > self._most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return self._method(owner, data, *args, **kwargs)

        return called


def searched(likelihood) -> FoundPoses:
    search = GlobalSearch(likelihood, C1, is_thorough=False)
    return FoundPoses.joined(list(search.search(np.arange(24))))


def test_a_search_goes_on_in_halves(likelihood, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = searched(likelihood)
    short = ShortMemory(CoarseSearch.best, 7)
    monkeypatch.setattr(CoarseSearch, "best", short)
    found = searched(likelihood)
    assert short.sizes[:3] == [24, 12, 6]
    np.testing.assert_array_equal(found.rows, whole.rows)
    np.testing.assert_allclose(found.poses.rotations, whole.poses.rotations, atol=2e-3)
    np.testing.assert_allclose(found.confidence, whole.confidence, atol=2e-3)


def refined(likelihood, poses) -> tuple[RefinedPoses, np.ndarray]:
    refinement = LocalRefinement(likelihood)
    found = RefinedPoses.joined(list(refinement.refine(np.arange(24), poses[np.arange(24)])))
    return found, confidence_of(refinement, found, C1)


def test_a_refinement_and_its_confidence_go_on_in_halves(
    likelihood, particles, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, confidence = refined(likelihood, particles.poses)
    short = ShortMemory(LocalRefinement._climb_both_ways, 7)
    monkeypatch.setattr(LocalRefinement, "_climb_both_ways", short)
    found, as_sure = refined(likelihood, particles.poses)
    assert short.sizes[:3] == [24, 12, 6]
    assert 64 in short.sizes  # the confidence's own climbs
    np.testing.assert_allclose(found.poses.rotations, whole.poses.rotations, atol=2e-3)
    # Noise of the images made for it is drawn anew where a chunk is tried again.
    np.testing.assert_allclose(as_sure, confidence, atol=0.05)


def test_nulls_go_on_in_halves(likelihood, density, monkeypatch: pytest.MonkeyPatch) -> None:
    def trial() -> NullTrial:
        return try_nulls(density, likelihood, np.arange(12), C1, n_decoys=1)

    whole = trial()
    searches = ShortMemory(CoarseSearch.best, 7)
    reads = ShortMemory(ParticleLikelihood.load, 7)
    monkeypatch.setattr(CoarseSearch, "best", searches)
    monkeypatch.setattr(ParticleLikelihood, "load", reads)
    found = trial()
    assert searches.sizes[:2] == [12, 6]
    assert reads.sizes[:2] == [40, 20]  # the sample that tells how much the stack tells
    assert 12 in reads.sizes
    for name in ("particles", "null", "control"):
        confidence, before = (getattr(each, name).confidence for each in (found, whole))
        np.testing.assert_allclose(confidence, before, atol=2e-3)


def test_whoever_takes_over_works_on_the_same_images_together(likelihood) -> None:
    """Grouping changes the last bits: a worker with less memory keeps the command's chunks."""
    with held_to(Budget(2**20)):  # a few images of 32 pixels
        tight = GlobalSearch(likelihood, C1)
        assert LocalRefinement(likelihood).chunk_size(1000) < 8
        assert tight.chunks[0] < 8
        assert GlobalSearch(likelihood, C1, chunks=(64, 16)).chunks == (64, 16)
        assert LocalRefinement(likelihood, chunk=128).chunk_size(1000) == 128
    assert GlobalSearch(likelihood, C1, chunks=tight.chunks).chunks == tight.chunks


def test_a_tight_budget_changes_no_pose(likelihood, particles) -> None:
    whole, confidence = refined(likelihood, particles.poses)
    searched_whole = searched(likelihood)
    with held_to(Budget(2**20)):
        found, as_sure = refined(likelihood, particles.poses)
        searched_again = searched(likelihood)
    np.testing.assert_allclose(found.poses.rotations, whole.poses.rotations, atol=2e-3)
    np.testing.assert_allclose(as_sure, confidence, atol=0.05)
    np.testing.assert_allclose(
        searched_again.poses.rotations, searched_whole.poses.rotations, atol=2e-3
    )
