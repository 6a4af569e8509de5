"""A stack whose particles lie further out than the first look reaches is known for it."""

from __future__ import annotations

import numpy as np
import torch

from napari_cryoorient.alignment.likelihood import SHIFT_REACH, ParticleLikelihood
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import ArrayImages, ParticleSet
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    Microscope,
    SimulationSettings,
    draw_simulation,
    simulated_images,
)

BOX, PIXEL, N, SIGMA = 48, 8.0, 96, 30.0


def test_the_spread_of_wide_shifts_is_learned() -> None:
    small = demo_density(32, PIXEL)
    density = type(small)(np.pad(small.voxels, (BOX - 32) // 2), PIXEL)
    settings = SimulationSettings(
        n=N, snr=0.3, microscope=Microscope(), shift_sigma_angstrom=SIGMA, seed=3
    )
    simulation = draw_simulation(density, settings)
    images = np.concatenate(list(simulated_images(simulation)))
    particles = ParticleSet(
        ArrayImages(images, PIXEL), None, simulation.ctf, np.zeros(N, dtype=np.int64)
    )
    likelihood = ParticleLikelihood(density, particles, torch.device("cpu"))
    reach = SHIFT_REACH * BOX * PIXEL
    assert np.mean(np.linalg.norm(simulation.poses.shifts_angstrom, axis=1) > reach) > 0.3
    search = GlobalSearch(likelihood, symmetry_matrices("C1"))
    prior = search.learned(np.arange(N)).prior
    true = float(simulation.poses.shifts_angstrom.std())
    assert 0.85 * true < prior.sigma_angstrom < 1.15 * true
    assert np.linalg.norm(prior.centre_angstrom) < 4.0
