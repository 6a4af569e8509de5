"""How often a chunk of a search would make the host wait for a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.refine.local import LocalRefinement
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.particles import ParticleSet
from support.waits import WaitCounter

# The thorough looks and new starts ask whom they concern; each climb ends when nothing is left.
MOST = 150


def waits(likelihood: ParticleLikelihood, n: int) -> int:
    search = GlobalSearch(likelihood, torch.eye(3)[None])
    rows = np.arange(n)
    data = likelihood.load(rows)
    search.of_images(rows, data)
    with WaitCounter() as counter:
        search.of_images(rows, data)
    return counter.total


@pytest.fixture(scope="module")
def waits_of_few(likelihood: ParticleLikelihood) -> int:
    return waits(likelihood, 8)


def test_a_chunk_of_a_search_waits_a_fixed_number_of_times(
    likelihood: ParticleLikelihood, waits_of_few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "napari_cryoorient.alignment"
    monkeypatch.setattr(f"{module}.refine.hypotheses.CPU_CHUNK", 2**26)  # as on a GPU
    monkeypatch.setattr(f"{module}.search.global_search.CPU_THOROUGH", 4096)
    many = waits(likelihood, 32)
    assert many <= MOST
    assert many <= waits_of_few + 30  # not in proportion to the images


def test_a_chunk_of_a_refinement_waits_a_fixed_number_of_times(
    likelihood: ParticleLikelihood, particles: ParticleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_cryoorient.alignment.refine.hypotheses.CPU_CHUNK", 2**26)
    refinement = LocalRefinement(likelihood)
    rows = np.arange(32)
    assert particles.poses is not None
    with WaitCounter() as counter:
        refinement.of_images(rows, likelihood.load(rows), particles.poses[rows])
    assert counter.total <= MOST, counter.counts
