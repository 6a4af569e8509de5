"""Forty simulated particles with strongly astigmatic CTFs and shifts, and their likelihood."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.alignment.search.shifts import ShiftPrior
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


def at_likeliest_amplitude(
    likelihood: ParticleLikelihood,
    data: BandData,
    rotations: torch.Tensor,
    shifts_angstrom: torch.Tensor,
    prior: ShiftPrior,
    radius: float,
) -> torch.Tensor:
    """Return log-likelihoods ``(b, k)`` of poses in a band, from the sums they stand for.

    The amplitude is the likeliest one near 1; the shift's prior counts as a part of the fit.
    """
    m = likelihood.n_frequencies(radius)
    band = data.band(m)
    slices = likelihood.slices(rotations.flatten(0, 1), m).view(*rotations.shape[:2], m)
    template = slices * likelihood.ramps(shifts_angstrom, m)
    fit = (band.cross[:, None].conj() * template).real.sum(2)
    fit = fit + 0.5 * prior.log_density(shifts_angstrom)
    norm = (band.power[:, None] * template.abs().square()).sum(2)
    stiffness = 0.5 / likelihood.amplitude_sigma**2
    amplitude = ((fit + stiffness) / (norm + stiffness)).clamp_min(0)
    return 2 * amplitude * fit - amplitude.square() * norm - stiffness * (amplitude - 1).square()
