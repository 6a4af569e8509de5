"""Optics groups in grey scales of their own are brought to one, and found like any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.support.simulated_stack import PIXEL, N, density, particles, simulation

from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.batches import outside_disc
from napari_cryoorient.stack.grey_scales import in_one_scale
from napari_cryoorient.stack.odd_images import find_odd_images
from napari_cryoorient.stack.pairing import pair_inputs
from napari_cryoorient.tasks.pose_jobs import SearchJob
from napari_cryoorient.tasks.reconstruct import reconstruct_particles
from napari_cryoorient.tasks.search import likelihood_of
from napari_cryoorient.tasks.spread import AT_ONCE

__all__ = ["density", "particles", "simulation"]

# The smaller group is the last third.
GROUP = np.where(np.arange(N) < 2 * N // 3, 4, 7)


def in_scales(particles: ParticleSet, scale: float, group: np.ndarray = GROUP) -> ParticleSet:
    images = particles.images.read(np.arange(N))
    images = images * np.where(group == 7, np.float32(scale), np.float32(1))[:, None, None]
    return replace(particles, images=ArrayImages(images, PIXEL), optics_group=group)


@pytest.mark.parametrize("scale", [1e-3, 0.2, 30.0])
def test_groups_far_apart_are_brought_to_the_largest_ones_scale(
    particles: ParticleSet, scale: float
) -> None:
    scaled, notes = in_one_scale(in_scales(particles, scale))
    images, before = (each.images.read(np.arange(N)) for each in (scaled, particles))
    np.testing.assert_array_equal(images[GROUP == 4], before[GROUP == 4])
    np.testing.assert_allclose(images[GROUP == 7].std(), before[GROUP == 4].std(), rtol=0.05)
    times = float(notes[0].split("group 7 times ")[1])
    assert times == pytest.approx(1 / scale, rel=0.05)


def test_groups_alike_are_left_as_they_are(particles: ParticleSet) -> None:
    for scale in (0.5, 2.0):  # what an image's own level and amplitude make good
        alike = in_scales(particles, scale)
        assert in_one_scale(alike) == (alike, ())


def test_one_group_is_left_as_it_is_whatever_its_images(particles: ParticleSet) -> None:
    one = replace(in_scales(particles, 30.0), optics_group=np.zeros(N, dtype=np.int64))
    assert in_one_scale(one) == (one, ())


def test_a_group_of_blank_images_is_left_to_those_who_tell_of_it(particles: ParticleSet) -> None:
    blank = in_scales(particles, 0.0)
    assert in_one_scale(blank) == (blank, ())


def test_one_odd_image_is_no_scale(particles: ParticleSet) -> None:
    alone = np.where(np.arange(N) == 5, 7, 4)
    odd = in_scales(particles, 30.0, alone)
    assert in_one_scale(odd) == (odd, ())
    assert find_odd_images(odd).unlike.tolist() == [5]


def test_odd_images_of_a_group_do_not_make_its_scale(particles: ParticleSet) -> None:
    images = particles.images.read(np.arange(N)).copy()
    images[N - 7 :] *= 20  # half of the smaller group
    odd = replace(particles, images=ArrayImages(images, PIXEL), optics_group=GROUP)
    assert in_one_scale(odd) == (odd, ())


def test_masked_groups_and_whole_ones_are_alike(particles: ParticleSet) -> None:
    images = particles.images.read(np.arange(N)).copy()
    images[GROUP == 7] *= ~outside_disc(images.shape[-1]).numpy()
    masked = replace(particles, images=ArrayImages(images, PIXEL), optics_group=GROUP)
    assert in_one_scale(masked) == (masked, ())
    apart, _ = in_one_scale(in_scales(masked, 10.0))
    np.testing.assert_allclose(apart.images.read(np.arange(N)), images, rtol=0.2, atol=1e-3)


def test_groups_of_one_gain_and_other_noise_keep_their_grey_values() -> None:
    random = np.random.default_rng(0)
    signal = np.zeros((N, 32, 32), dtype=np.float32)
    signal[:, 12:20, 12:20] = 3.0
    noise = random.normal(size=signal.shape) * np.where(GROUP == 7, 2.5, 1.0)[:, None, None]
    images = (signal + noise).astype(np.float32)
    stack = ParticleSet(ArrayImages(images, PIXEL), None, None, GROUP)
    assert in_one_scale(stack) == (stack, ())


def test_few_images_are_read_of_many_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 8000
    images = np.random.default_rng(0).normal(size=(n, 8, 8)).astype(np.float32)
    stack = ParticleSet(ArrayImages(images, PIXEL), None, None, np.arange(n) // 8)
    seen: list[int] = []
    read = ArrayImages.read
    monkeypatch.setattr(
        ArrayImages, "read", lambda self, rows: seen.append(len(rows)) or read(self, rows)
    )
    assert in_one_scale(stack) == (stack, ())
    assert sum(seen) <= 4000


def test_many_groups_are_told_of_in_a_line(particles: ParticleSet) -> None:
    group = np.minimum(np.arange(N) // 8, 4)
    images = particles.images.read(np.arange(N)) * (5.0**-group).astype(np.float32)[:, None, None]
    many = replace(particles, images=ArrayImages(images, PIXEL), optics_group=group)
    assert "and 1 other" in in_one_scale(many)[1][0]


def test_what_is_known_of_a_particle_does_not_depend_on_its_groups_scale(
    particles: ParticleSet, density: DensityMap
) -> None:
    def confidence(stack: ParticleSet) -> np.ndarray:
        inputs = pair_inputs(stack, density)
        likelihood = likelihood_of(inputs, torch.device("cpu"), AT_ONCE)
        search = GlobalSearch(likelihood, torch.eye(3)[None])
        job = SearchJob(search, inputs.density, np.arange(N))
        return AT_ONCE.do("search", job, Reporter()).confidence

    as_it_was = confidence(in_scales(particles, 1.0))
    apart = confidence(in_scales(particles, 30.0))
    assert as_it_was.min() > 0.9
    assert apart.min() > 0.9


def test_a_group_of_another_scale_is_part_of_the_map(
    particles: ParticleSet, density: DensityMap
) -> None:
    as_it_was = reconstruct_particles(in_scales(particles, 1.0), torch.device("cpu"))
    said: list[str] = []
    apart = reconstruct_particles(
        in_scales(particles, 30.0), torch.device("cpu"), reporter=replace(SILENT, say=said.append)
    )
    assert apart.n_of_sets == as_it_was.n_of_sets == (N,)
    assert any("group 7" in line for line in said)
    assert apart.voxels is not None
    assert as_it_was.voxels is not None
    correlation = np.corrcoef(apart.voxels.ravel(), as_it_was.voxels.ravel())[0, 1]
    assert correlation > 0.99
