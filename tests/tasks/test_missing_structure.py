from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    Microscope,
    SimulationSettings,
    draw_simulation,
    simulated_images,
)
from napari_cryoorient.stack.pairing import in_free_scale, matched_map
from napari_cryoorient.tasks.missing_structure import MissingPart, missing_note, missing_part

N, BOX, PIXEL = 120, 48, 4.0


@pytest.fixture(scope="module")
def stack() -> tuple[DensityMap, ParticleSet]:
    density = demo_density(BOX, PIXEL)
    settings = SimulationSettings(
        n=N, snr=0.2, microscope=Microscope(), shift_sigma_angstrom=4.0, seed=3
    )
    simulation = draw_simulation(density, settings)
    images = np.concatenate(list(simulated_images(simulation)))
    rows = np.zeros(N, dtype=np.int64)
    return density, ParticleSet(
        ArrayImages(images, PIXEL), simulation.poses, simulation.ctf, optics_group=rows
    )


def low_passed(density: DensityMap, resolution_angstrom: float) -> DensityMap:
    frequency = np.fft.fftfreq(BOX, PIXEL) ** 2
    radius = np.sqrt(frequency[:, None, None] + frequency[:, None] + frequency)
    kept = np.fft.fftn(density.voxels) * np.exp(-((radius * resolution_angstrom) ** 2))
    return replace(density, voxels=np.fft.ifftn(kept).real.astype(np.float32))


def third_cut(density: DensityMap) -> DensityMap:
    """Take away what lies beyond a plane, a third of the density."""
    along = np.cumsum(np.clip(density.voxels, 0, None).sum((0, 1)))
    voxels = density.voxels.copy()
    voxels[:, :, int(np.searchsorted(along, 2 / 3 * along[-1])) :] = 0
    return replace(density, voxels=voxels)


def likelihood_of(density: DensityMap, particles: ParticleSet) -> ParticleLikelihood:
    fitting = in_free_scale(matched_map(density, particles))
    return ParticleLikelihood(fitting, particles, torch.device("cpu"))


def missing(density: DensityMap, particles: ParticleSet, sure: float = 1.0) -> MissingPart | None:
    assert particles.poses is not None
    likelihood = likelihood_of(density, particles)
    return missing_part(likelihood, np.arange(N), particles.poses, np.full(N, sure))


def test_a_third_cut_off_is_missed(stack) -> None:
    density, particles = stack
    found = missing(third_cut(density), particles)
    assert found is not None
    assert found.is_clear
    said = missing_note(
        likelihood_of(third_cut(density), particles), np.arange(N), particles.poses, np.ones(N)
    )
    assert said is not None
    assert f"{found.part:.0%} of the power" in said


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda density: density, id="as it is"),
        pytest.param(lambda density: low_passed(density, 30.0), id="low-passed"),
        pytest.param(
            lambda density: replace(density, voxels=5 * density.voxels + 2), id="another scale"
        ),
        pytest.param(lambda density: replace(density, pixel_size_angstrom=4.08), id="magnified"),
    ],
)
def test_a_whole_map_is_not(stack, change) -> None:
    density, particles = stack
    found = missing(change(density), particles)
    assert found is not None
    assert abs(found.part) < 0.1
    assert not found.is_clear


def test_noise_around_the_molecule_is_nothing_missing(stack) -> None:
    density, particles = stack
    noise = np.random.default_rng(0).normal(scale=0.3 * density.voxels.std(), size=(BOX,) * 3)
    found = missing(replace(density, voxels=(density.voxels + noise).astype(np.float32)), particles)
    assert found is not None
    assert not found.is_clear


def test_particles_that_are_not_sure_are_not_asked(stack) -> None:
    density, particles = stack
    assert missing(third_cut(density), particles, 0.5) is None
