"""``search`` and ``refine`` say where particles show nothing of the map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import napari_cryoorient as nc
from napari_cryoorient.alignment.nulls.report import MOST_ASKED, n_to_ask
from napari_cryoorient.particles import ArrayImages, Poses
from support.blob_maps import blobs

N, BOX = 48, 32


def test_a_search_asks_few_enough_to_take_no_time() -> None:
    assert n_to_ask(5000) == 0
    assert n_to_ask(6000) == 24
    assert n_to_ask(10**6) == MOST_ASKED


def test_a_search_in_noise_says_that_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_cryoorient.tasks.search.n_to_ask", lambda n: n)
    density = blobs("C2", box=BOX)
    particles = nc.simulate(density, N, snr=0.1, device="cpu", seed=1)
    told: list[str] = []
    nc.search(particles, density, symmetry="C2", device="cpu", say=told.append)
    assert not [line for line in told if "nothing" in line]
    images = np.random.default_rng(0).standard_normal((N, BOX, BOX)).astype(np.float32)
    noise = replace(particles, images=ArrayImages(images, particles.pixel_size_angstrom))
    nc.search(noise, density, symmetry="C2", device="cpu", say=told.append)
    assert [line for line in told if line.startswith("WARNING: These images show nothing")]


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
