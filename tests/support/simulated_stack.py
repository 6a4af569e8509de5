"""Forty simulated particles with strongly astigmatic CTFs and shifts, and their likelihood."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    Microscope,
    Simulation,
    SimulationSettings,
    draw_simulation,
    simulated_images,
)

BOX, PIXEL, N = 32, 8.0, 40


@pytest.fixture(scope="session")
def density() -> DensityMap:
    return demo_density(BOX, PIXEL)


def simulation_of(density: DensityMap, snr: float) -> Simulation:
    settings = SimulationSettings(
        n=N, snr=snr, microscope=Microscope(astigmatism_um=0.4), shift_sigma_angstrom=5.0, seed=1
    )
    return draw_simulation(density, settings)


def particles_of(simulation: Simulation) -> ParticleSet:
    images = np.concatenate(list(simulated_images(simulation)))
    return ParticleSet(
        ArrayImages(images, PIXEL), simulation.poses, simulation.ctf, np.zeros(N, dtype=np.int64)
    )


def likelihood_of(density: DensityMap, simulation: Simulation) -> ParticleLikelihood:
    return ParticleLikelihood(density, particles_of(simulation), torch.device("cpu"), radius=13.0)


@pytest.fixture(scope="session")
def simulation(density: DensityMap) -> Simulation:
    return simulation_of(density, 0.5)


@pytest.fixture(scope="session")
def particles(simulation: Simulation) -> ParticleSet:
    return particles_of(simulation)


@pytest.fixture(scope="session")
def likelihood(density: DensityMap, simulation: Simulation) -> ParticleLikelihood:
    return likelihood_of(density, simulation)
