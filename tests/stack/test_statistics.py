from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.geometry.fourier_grids import radial_mean_half_plane
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.particles import ArrayImages, CtfParameters, DensityMap, ParticleSet
from napari_cryoorient.projection.ctf import ctf_half_plane
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.resample import images_to_fourier
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.stack.statistics import shaped_noise, stack_statistics

BOX, PIXEL, N = 48, 6.0, 200


@pytest.fixture(scope="module")
def density() -> DensityMap:
    return demo_density(BOX, PIXEL)


def particles(density: DensityMap, *, gain: float, noise_power: torch.Tensor | None) -> ParticleSet:
    generator = torch.Generator().manual_seed(5)

    def of(value: float) -> np.ndarray:
        return np.full(N, value)

    defocus = 10000 + 15000 * torch.rand(N, generator=generator).double().numpy()
    ctf = CtfParameters(defocus, defocus, of(0), of(0), of(300), of(2.7), of(0.1), of(0), of(1))
    projector = Projector(torch.from_numpy(density.voxels), pixel_size_angstrom=PIXEL)
    half_planes = ctf_half_plane(ctf, BOX, PIXEL)
    images = gain * projector(random_rotations(N, generator), None, half_planes)
    if noise_power is not None:
        images = images + shaped_noise(N, noise_power, BOX, generator)
    return ParticleSet(ArrayImages(images.numpy(), PIXEL), None, ctf, np.zeros(N, dtype=np.int64))


def test_shaped_noise_has_the_spectrum_asked_for() -> None:
    wanted = torch.linspace(400.0, 40.0, 17)
    noise = shaped_noise(400, wanted, 32, torch.Generator().manual_seed(0))
    found = radial_mean_half_plane(images_to_fourier(noise).abs().square().mean(0))
    np.testing.assert_allclose(found[2:16], wanted[2:16], rtol=0.05)


@pytest.mark.parametrize("box", [34, 48])
def test_gain_and_noise_of_a_made_stack_are_found(density: DensityMap, box: int) -> None:
    clean = particles(density, gain=1.0, noise_power=None)
    variance = float(clean.images.read(np.arange(N)).var())
    level = torch.linspace(2.0, 0.5, BOX // 2 + 1) * variance * 5 * BOX**2
    noisy = particles(density, gain=3.0, noise_power=9 * level)
    found = stack_statistics(density, noisy, box)
    assert found.is_signal_seen
    assert found.gain == pytest.approx(3.0, rel=0.15)
    in_box = (9 * level * (box / BOX) ** 4)[3 : box // 2]
    np.testing.assert_allclose(found.noise_power[3 : box // 2], in_box, rtol=0.2)


def test_noiseless_images_have_next_to_no_noise(density: DensityMap) -> None:
    found = stack_statistics(density, particles(density, gain=1.0, noise_power=None), 34)
    assert found.snr > 5
    assert found.gain == pytest.approx(1.0, rel=0.1)


def test_pure_noise_is_told_from_signal(density: DensityMap) -> None:
    silent = particles(density, gain=0.0, noise_power=torch.full((BOX // 2 + 1,), 100.0))
    found = stack_statistics(density, silent, 34)
    assert found.snr < 0.06
