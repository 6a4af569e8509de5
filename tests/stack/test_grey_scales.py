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
from napari_cryoorient.stack.grey_scales import in_one_scale
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


@pytest.mark.parametrize("scale", [1e-3, 0.5, 30.0])
def test_groups_far_apart_are_brought_to_the_largest_ones_scale(
    particles: ParticleSet, scale: float
) -> None:
    told = in_one_scale(in_scales(particles, scale))
    images, before = (each.images.read(np.arange(N)) for each in (told, particles))
    np.testing.assert_array_equal(images[GROUP == 4], before[GROUP == 4])
    np.testing.assert_allclose(images[GROUP == 7].std(), before[GROUP == 4].std(), rtol=0.05)
    assert "that of the largest: group 7 by" in told.notes[-1]


def test_groups_alike_are_left_as_they_are(particles: ParticleSet) -> None:
    alike = in_scales(particles, 1.1)
    assert in_one_scale(alike) is alike


def test_one_group_is_left_as_it_is_whatever_its_images(particles: ParticleSet) -> None:
    one = replace(in_scales(particles, 30.0), optics_group=np.zeros(N, dtype=np.int64))
    assert in_one_scale(one) is one


def test_a_group_of_blank_images_is_left_to_those_who_tell_of_it(particles: ParticleSet) -> None:
    blank = in_scales(particles, 0.0)
    assert in_one_scale(blank) is blank


def test_many_groups_are_told_of_in_a_line(particles: ParticleSet) -> None:
    group = np.minimum(np.arange(N) // 3, 5)
    images = particles.images.read(np.arange(N)) * (2.0**-group).astype(np.float32)[:, None, None]
    many = replace(particles, images=ArrayImages(images, PIXEL), optics_group=group)
    assert "and 2 others" in in_one_scale(many).notes[-1]


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
