from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    SimulationSettings,
    draw_simulation,
    simulated_images,
)
from napari_cryoorient.stack.pairing import in_free_scale, matched_map
from napari_cryoorient.tasks.measured_scale import describe_scale, measured_scale

N, BOX, PIXEL = 48, 48, 4.0


@pytest.fixture(scope="module")
def stack() -> tuple[DensityMap, ParticleSet]:
    density = demo_density(BOX, PIXEL)
    settings = SimulationSettings(n=N, snr=0.2, shift_sigma_angstrom=4.0, seed=3)
    simulation = draw_simulation(density, settings)
    images = np.concatenate(list(simulated_images(simulation)))
    rows = np.zeros(N, dtype=np.int64)
    return density, ParticleSet(
        ArrayImages(images, PIXEL), simulation.poses, simulation.ctf, optics_group=rows
    )


def scale_beside(density: DensityMap, particles: ParticleSet, confidence: float) -> float | None:
    likelihood = ParticleLikelihood(
        in_free_scale(matched_map(density, particles)), particles, torch.device("cpu")
    )
    assert particles.poses is not None
    return measured_scale(likelihood, np.arange(N), particles.poses, np.full(N, confidence))


@pytest.mark.parametrize("said", [1.03, 0.96])
def test_a_wrong_pixel_size_is_measured(stack, said: float):
    density, particles = stack
    wrong = replace(density, pixel_size_angstrom=PIXEL * said)
    found = scale_beside(wrong, particles, 1.0)
    assert found == pytest.approx(1 / said, abs=0.005)


def test_memory_that_runs_out_halves_the_images_asked(stack, monkeypatch: pytest.MonkeyPatch):
    density, particles = stack
    wrong = replace(density, pixel_size_angstrom=PIXEL * 1.03)
    whole, sizes, really = scale_beside(wrong, particles, 1.0), [], ParticleLikelihood.load

    def load(likelihood: ParticleLikelihood, rows: np.ndarray) -> object:
        sizes.append(len(rows))
        if len(rows) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return really(likelihood, rows)

    monkeypatch.setattr(ParticleLikelihood, "load", load)
    assert scale_beside(wrong, particles, 1.0) == pytest.approx(whole, abs=1e-4)
    assert sizes == [48, 24, 12, 12, 24, 12, 12]


def test_a_right_one_is_not_spoken_of(stack):
    assert scale_beside(*stack, 1.0) is None


def test_particles_that_are_not_sure_are_not_asked(stack):
    density, particles = stack
    wrong = replace(density, pixel_size_angstrom=PIXEL * 1.03)
    assert scale_beside(wrong, particles, 0.5) is None


def test_another_molecule_has_no_scale(stack):
    density, particles = stack
    mirrored = replace(density, voxels=np.ascontiguousarray(density.voxels[::-1]))
    assert scale_beside(mirrored, particles, 1.0) is None


def test_the_sentence_names_the_stacks_pixel_size():
    said = describe_scale(0.97, 4.0)
    assert "3.0% smaller" in said
    assert "the stack's is 4.124 A, not 4 A" in said
