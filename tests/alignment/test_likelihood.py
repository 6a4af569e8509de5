"""The band, and templates in the stack's grey scale whatever the boxes of map and stack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.likelihood import (
    ParticleLikelihood,
    half_disc_frequencies,
    informative_radius,
)
from napari_cryoorient.particles import ArrayImages, ParticleSet
from napari_cryoorient.projection.resample import fourier_to_images, images_to_fourier
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    Microscope,
    SimulationSettings,
    draw_simulation,
    simulated_images,
    working_map,
)
from napari_cryoorient.stack.batches import ParticleBatches


def test_every_frequency_and_its_mirror_once_by_radius():
    frequencies = half_disc_frequencies(5.0)
    both = torch.cat([frequencies, -frequencies])
    assert len(torch.unique(both, dim=0)) == len(both)
    axis = torch.arange(-5, 6)
    inside = (axis[:, None] ** 2 + axis**2 <= 25).sum() - 1
    assert len(both) == inside
    assert bool((frequencies.norm(dim=1).diff() >= 0).all())


@pytest.mark.parametrize("map_box", [32, 48, 80], ids=lambda box: f"map of {box}")
@pytest.mark.parametrize("radius", [8.0, 13.0], ids=lambda r: f"radius {r:g}")
def test_templates_are_the_images_without_noise(map_box: int, radius: float):
    """A finer map over the same field of view, and images cropped to the band."""
    box, field, n = 32, 256.0, 60
    settings = SimulationSettings(n=n, snr=1.0, microscope=Microscope(), shift_sigma_angstrom=4.0)
    finest = demo_density(80, field / 80)
    simulation = draw_simulation(working_map(finest, box), settings)
    images = np.concatenate(list(simulated_images(simulation)))
    particles = ParticleSet(
        ArrayImages(images, field / box),
        simulation.poses,
        simulation.ctf,
        np.zeros(n, dtype=np.int64),
    )
    likelihood = ParticleLikelihood(
        working_map(finest, map_box), particles, torch.device("cpu"), radius=radius
    )
    data = likelihood.load(np.arange(n))
    m = data.cross.shape[1]
    rotations = torch.from_numpy(simulation.poses.rotations).float()
    shifts = torch.from_numpy(simulation.poses.shifts_angstrom).float()
    template = likelihood.slices(rotations, m) * likelihood.ramps(shifts, m)
    fit = (data.cross.conj() * template).real.sum()
    norm = (data.power * template.abs().square()).sum()
    # The amplitude that fits best is 1; the gain is measured, to a few percent.
    assert 0.9 < float(fit / norm) < 1.1
    # Whitened noise has power 1 in every coefficient.
    left = data.energy - (2 * (data.cross.conj() * template).real)
    left = left + data.power * template.abs().square()
    assert 0.9 < float(left.mean()) < 1.1


def test_weak_signal_ends_at_a_lower_frequency():
    def radius(noise: float) -> float:
        power = torch.exp(-torch.arange(33) / 4.0)
        statistics = type(
            "Statistics", (), {"signal_power": power, "noise_power": torch.full((33,), noise)}
        )
        return informative_radius(statistics)

    assert radius(1e-9) > radius(0.1) > 5


def test_the_band_is_widened_while_the_stack_holds_information(monkeypatch):
    density = demo_density(32, 8.0)
    settings = SimulationSettings(n=40, snr=0.5, microscope=Microscope(), shift_sigma_angstrom=4.0)
    simulation = draw_simulation(density, settings)
    images = np.concatenate(list(simulated_images(simulation)))
    particles = ParticleSet(
        ArrayImages(images, 8.0), simulation.poses, simulation.ctf, np.zeros(40, dtype=np.int64)
    )
    monkeypatch.setattr("napari_cryoorient.alignment.likelihood.FIRST_BOX", 16)
    device = torch.device("cpu")
    as_far_as_it_tells = ParticleLikelihood(density, particles, device)
    assert as_far_as_it_tells.statistics.box == 32
    assert as_far_as_it_tells.radius > 7
    asked = ParticleLikelihood(density, particles, device, radius=12.0)
    assert asked.radius == 12.0
    # Information that ends early is not looked for further out.
    monkeypatch.setattr("napari_cryoorient.alignment.likelihood.STILL_INFORMATIVE", 2.0)
    assert ParticleLikelihood(density, particles, device).statistics.box == 16


def test_premultiplied_images_are_compared_as_they_were_before(density, particles):
    """Their noise is CTF^2 times as strong: the likelihood is that of the images themselves."""
    device, rows = torch.device("cpu"), np.arange(len(particles))
    batches = ParticleBatches(particles, particles.box, device, cache_bytes=0)
    ctf = batches.ctf(rows)
    assert ctf is not None
    images = fourier_to_images(images_to_fourier(batches.images(rows)) * ctf)
    source = ArrayImages(images.numpy(), particles.pixel_size_angstrom)
    twice = replace(particles, images=source, ctf_state="premultiplied")
    plain, seen = (
        ParticleLikelihood(density, each, device, radius=13.0).load(rows)
        for each in (particles, twice)
    )
    for a, b in ((plain.cross.real, seen.cross.real), (plain.power, seen.power)):
        assert float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) > 0.97
        assert float(b.square().sum() / a.square().sum()) == pytest.approx(1.0, abs=0.35)


def test_images_of_noisier_micrographs_weigh_less(density, particles):
    """A half of the images with twice the noise's amplitude: a quarter of the weight each."""
    device, rows = torch.device("cpu"), np.arange(len(particles))
    random, images = np.random.default_rng(4), particles.images.read(rows)
    noise = random.normal(scale=2.0 * images.std(), size=images.shape)
    is_noisy = np.arange(len(rows)) % 2 == 1
    images = images + noise * np.where(is_noisy, 2.0, 1.0)[:, None, None]
    source = ArrayImages(images.astype(np.float32), particles.pixel_size_angstrom)
    stack = replace(particles, images=source)
    likelihood = ParticleLikelihood(density, stack, device, radius=13.0)
    data = likelihood.load(rows)
    outer = data.energy[:, likelihood.n_frequencies(10.0) :].mean(1).numpy()
    assert outer[is_noisy].mean() == pytest.approx(outer[~is_noisy].mean(), rel=0.1)
    plain = ParticleLikelihood(density, particles, device, radius=13.0).load(rows).power
    ratio = (data.power / plain).mean(1).numpy()
    assert ratio[~is_noisy].mean() / ratio[is_noisy].mean() == pytest.approx(4.0, rel=0.25)
