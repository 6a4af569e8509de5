"""``search`` and ``refine`` say where particles show nothing of the map."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import napari_cryoorient as nc
from napari_cryoorient.alignment.nulls.report import FIRST_LOOK, MOST_ASKED, n_to_ask
from napari_cryoorient.alignment.nulls.trial import NullSearches, NullTrial
from napari_cryoorient.particles import ArrayImages, Integers, Poses
from support.blob_maps import blobs

N, BOX = 48, 32


def test_a_search_asks_few_enough_to_take_no_time() -> None:
    assert n_to_ask(5000) == 0
    assert n_to_ask(6000) == 24
    assert n_to_ask(10**6) == MOST_ASKED


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many particles each trial of a search of all of them asks."""
    monkeypatch.setattr("napari_cryoorient.tasks.search.n_to_ask", lambda n: n)
    numbers: list[int] = []
    trial = NullSearches.trial

    def counted(self: NullSearches, rows: Integers, **options: Any) -> NullTrial:
        numbers.append(len(rows))
        return trial(self, rows, **options)

    monkeypatch.setattr(NullSearches, "trial", counted)
    return numbers


def test_a_search_in_noise_says_that_there_is_nothing(asked: list[int]) -> None:
    density = blobs("C2", box=BOX)
    particles = nc.simulate(density, N, snr=0.1, device="cpu", seed=1)
    told: list[str] = []
    nc.search(particles, density, symmetry="C2", device="cpu", say=told.append)
    assert not [line for line in told if "nothing" in line]
    assert asked == [FIRST_LOOK]  # which settled it
    asked.clear()
    images = np.random.default_rng(0).standard_normal((N, BOX, BOX)).astype(np.float32)
    noise = replace(particles, images=ArrayImages(images, particles.pixel_size_angstrom))
    nc.search(noise, density, symmetry="C2", device="cpu", say=told.append)
    assert [line for line in told if line.startswith("WARNING: These images show nothing")]
    assert asked == [FIRST_LOOK, N]


def test_refining_poses_of_other_particles_says_so() -> None:
    density = blobs("C2", box=BOX)
    particles = nc.simulate(density, N, snr=0.3, device="cpu", seed=1)
    told: list[str] = []
    nc.refine(particles, density, symmetry="C2", device="cpu", say=told.append)
    assert not [line for line in told if "random orientations" in line]
    poses = particles.poses
    assert poses is not None
    shuffled = Poses(np.roll(poses.rotations, 7, axis=0), poses.shifts_angstrom)
    wrong = replace(particles, poses=shuffled)
    nc.refine(wrong, density, symmetry="C2", device="cpu", say=told.append)
    assert [line for line in told if "than at random orientations" in line]
