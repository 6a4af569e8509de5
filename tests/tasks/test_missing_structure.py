from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_cryoorient as nc
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


def images_of(density: DensityMap) -> ParticleSet:
    settings = SimulationSettings(
        n=N, snr=0.2, microscope=Microscope(), shift_sigma_angstrom=4.0, seed=3
    )
    simulation = draw_simulation(density, settings)
    images = np.concatenate(list(simulated_images(simulation)))
    rows = np.zeros(N, dtype=np.int64)
    return ParticleSet(
        ArrayImages(images, PIXEL), simulation.poses, simulation.ctf, optics_group=rows
    )


@pytest.fixture(scope="module")
def stack() -> tuple[DensityMap, ParticleSet]:
    density = demo_density(BOX, PIXEL)
    return density, images_of(density)


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


def test_a_map_that_holds_more_differs_and_is_not_said_to_lack_a_part(stack) -> None:
    density, _ = stack
    particles = images_of(third_cut(density))
    assert particles.poses is not None
    said = missing_note(
        likelihood_of(density, particles), np.arange(N), particles.poses, np.ones(N)
    )
    assert said is not None
    assert "the map and the particles differ" in said
    assert "may lack a part, hold one that the particles lack" in said
    assert "not the whole particle" not in said
    assert "that the map lacks" not in said


@pytest.mark.parametrize("radius", [5.5, 30.0])
def test_the_finest_detail_told_is_that_of_the_last_shell_used(stack, radius: float) -> None:
    density, particles = stack
    fitting = in_free_scale(matched_map(third_cut(density), particles))
    likelihood = ParticleLikelihood(fitting, particles, torch.device("cpu"), radius=radius)
    assert particles.poses is not None
    said = missing_note(likelihood, np.arange(N), particles.poses, np.ones(N))
    assert said is not None
    assert f"down to {BOX * PIXEL / min(int(radius), 7):.0f} A" in said


def test_nothing_complex_is_summed_by_index(stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metal has dropped imaginary parts there."""
    add = torch.Tensor.index_add_

    def of_reals(self, dim, index, source, **others):
        assert not source.is_complex()
        return add(self, dim, index, source, **others)

    monkeypatch.setattr(torch.Tensor, "index_add_", of_reals)
    assert missing(stack[0], stack[1]) is not None


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "whole"])
@pytest.mark.parametrize("task", [nc.search, nc.refine], ids=["search", "refine"])
def test_search_and_refine_say_it_of_a_cut_map_alone(stack, task, is_cut: bool) -> None:
    density, particles = stack
    told: list[str] = []
    task(particles, third_cut(density) if is_cut else density, device="cpu", say=told.append)
    assert any("the map and the particles differ" in each for each in told) == is_cut, told
