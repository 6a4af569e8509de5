"""Noise told from signal where the corners of the images do not show it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cryoorient.geometry.fourier_grids import centred_axis
from napari_cryoorient.particles import ArrayImages, DensityMap, ParticleSet
from napari_cryoorient.projection.resample import fourier_to_images, images_to_fourier
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    Microscope,
    SimulationSettings,
    draw_simulation,
    simulated_images,
)
from napari_cryoorient.stack.batches import ParticleBatches
from napari_cryoorient.stack.spectra import (
    corners_are_empty,
    noise_by_defocus,
    part_with_noise,
    premultiplied_noise,
)
from napari_cryoorient.stack.statistics import stack_statistics

BOX = 48


@pytest.fixture(scope="module")
def density() -> DensityMap:
    return demo_density(BOX, 6.0)


def stack(density: DensityMap, *, is_masked: bool) -> ParticleSet:
    settings = SimulationSettings(n=400, snr=0.1, microscope=Microscope(), seed=3)
    simulation = draw_simulation(density, settings)
    images = np.concatenate(list(simulated_images(simulation)))
    if is_masked:
        squares = centred_axis(BOX).square()
        radius = (squares[:, None] + squares).sqrt()
        images = images * ((0.45 * BOX - radius) / 3 + 0.5).clamp(0, 1).numpy()
    return ParticleSet(
        ArrayImages(images.astype(np.float32), 6.0),
        simulation.poses,
        simulation.ctf,
        np.zeros(400, dtype=np.int64),
    )


def test_masked_images_have_the_noise_and_the_gain_they_had(density):
    plain = stack_statistics(density, stack(density, is_masked=False), BOX)
    masked = stack_statistics(density, stack(density, is_masked=True), BOX)
    assert masked.are_corners_empty
    assert not plain.are_corners_empty
    assert masked.gain == pytest.approx(plain.gain, rel=0.15)
    # The mask leaves 0.6 of the pixels, of the noise's power, and of what is independent in it.
    ratio = masked.noise_power[4:22] / plain.noise_power[4:22]
    assert float(ratio.mean()) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("radius", [0.25, 0.45, 0.5])
def test_the_part_that_a_mask_leaves_is_measured(radius):
    generator = torch.Generator().manual_seed(0)
    squares = centred_axis(BOX).square()
    inside = (squares[:, None] + squares).sqrt() < radius * BOX
    images = torch.randn(64, BOX, BOX, generator=generator) * inside
    assert part_with_noise(images.split(20)) == pytest.approx(
        float(inside.float().mean()), rel=0.15
    )


def test_noise_follows_from_defocus_whatever_its_spectrum():
    generator = torch.Generator().manual_seed(0)
    radius = torch.arange(25, dtype=torch.float64)
    signal, noise = 50 * torch.exp(-radius / 6), 5 + 20 / (1 + radius)
    defocus = 1 + torch.rand(600, 1, generator=generator, dtype=torch.float64)
    squared_ctf = torch.sin(0.01 * defocus * radius**2 + 0.1).square()
    scatter = 1 + 0.2 * torch.randn(600, 25, generator=generator, dtype=torch.float64)
    found = noise_by_defocus((noise + 2 * signal * squared_ctf) * scatter, squared_ctf, signal)
    torch.testing.assert_close(found[3:], noise[3:], rtol=0.15, atol=0.0)
    # One CTF for all: level noise is told from signal by its shape.
    same = squared_ctf[:1].expand(600, -1)
    found = noise_by_defocus((7.0 + 2 * signal * same) * scatter, same, signal)
    torch.testing.assert_close(found[3:], torch.full_like(found[3:], 7.0), rtol=0.15, atol=0.0)


def test_noise_that_the_ctf_was_multiplied_into_follows_it(density):
    """Corners smear the zeros of the CTF, which all images of a ring nearly share."""
    particles = stack(density, is_masked=False)
    device, rows = torch.device("cpu"), np.arange(len(particles))
    batches = ParticleBatches(particles, BOX, device, cache_bytes=0)
    images = fourier_to_images(images_to_fourier(batches.images(rows)) * batches.ctf(rows))
    source = ArrayImages(images.numpy(), particles.pixel_size_angstrom)
    twice = replace(particles, images=source, ctf_state="premultiplied")
    plain, seen = (stack_statistics(density, each, BOX) for each in (particles, twice))
    ratio = seen.noise_power / seen.noise_transfer / plain.noise_power
    torch.testing.assert_close(ratio[3:20], torch.ones(17), rtol=0.12, atol=0.0)
    assert seen.gain == pytest.approx(plain.gain, rel=0.15)


def test_images_of_one_ctf_leave_the_noise_of_their_corners():
    radius = torch.arange(25, dtype=torch.float64)
    squared = torch.sin(0.015 * radius**2 + 0.1).square().expand(40, -1)
    signal, noise = 50 * torch.exp(-radius / 6), 5.0 * squared[0]
    powers = noise + 2 * signal * squared.square()
    found = premultiplied_noise(powers, noise, (squared, squared.square()), signal)
    torch.testing.assert_close(found[2:], noise[2:], rtol=0.01, atol=0.01)


def test_a_signal_of_zeros_leaves_the_noise_of_the_corners():
    squared = torch.rand(40, 25, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    corners = torch.full((25,), 5.0, dtype=torch.float64)
    for powers in (corners * squared, 0 * squared):
        found = premultiplied_noise(
            powers, corners, (squared, squared.square()), torch.zeros_like(corners)
        )
        torch.testing.assert_close(found, corners)


def test_rings_that_a_filter_emptied_do_not_decide():
    """What is left there follows rounding and interpolation, not the CTF."""
    generator = torch.Generator().manual_seed(0)
    radius = torch.arange(33, dtype=torch.float64)
    defocus = 1 + torch.rand(200, 1, generator=generator, dtype=torch.float64)
    squared = torch.sin(0.01 * defocus * radius**2 + 0.1).square()
    signal, corners = 50 * torch.exp(-radius / 6), 6.0 * squared.mean(0)
    powers = 5.0 * squared + 2 * signal * squared.square()
    transfers = squared, squared.square()
    plain = premultiplied_noise(powers, corners, transfers, signal)
    passed = torch.where(radius < 24, 1.0, 1e-9)
    of_rest = torch.rand(200, 33, generator=generator, dtype=torch.float64)
    low_passed = torch.where(radius < 24, powers, 1e-9 * of_rest)
    found = premultiplied_noise(low_passed, corners * passed, transfers, signal)
    torch.testing.assert_close(found[3:24], plain[3:24], rtol=0.1, atol=0.0)


def test_empty_corners_are_told_from_full_ones():
    whole = torch.linspace(10.0, 2.0, 20)
    assert corners_are_empty(whole, 0.01 * whole)
    assert not corners_are_empty(whole, 0.9 * whole)
