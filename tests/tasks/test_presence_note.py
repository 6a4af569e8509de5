"""A search says where few images show the map's particle, and says nothing where they do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import Simulation
from napari_cryoorient.stack.pairing import pair_inputs
from napari_cryoorient.tasks.search import search_inputs
from support.simulated_stack import N, particles_of, simulation_of

BOX, PIXEL = 32, 8.0


def said(density: DensityMap, particles: ParticleSet) -> str:
    sentences: list[str] = []
    inputs = pair_inputs(particles, density, invert_contrast="no", name="the stack")
    search_inputs(
        inputs, np.arange(16), torch.device("cpu"), reporter=Reporter(say=sentences.append)
    )
    return " ".join(sentences)


@pytest.fixture(scope="module")
def density() -> DensityMap:
    return demo_density(BOX, PIXEL)


@pytest.fixture(scope="module")
def simulation(density: DensityMap) -> Simulation:
    return simulation_of(density, 0.2)


def test_particles_are_seen(density, simulation):
    assert "explained clearly better" not in said(density, particles_of(simulation))


def test_noise_is_called_so(density, simulation):
    made = particles_of(simulation)
    noise = np.random.default_rng(0).normal(size=(N, BOX, BOX)).astype(np.float32)
    stack = ParticleSet(ArrayImages(noise, PIXEL), None, made.ctf, made.optics_group)
    sentences = said(density, stack)
    assert "WARNING: only" in sentences
    assert "explained clearly better by this map" in sentences
