from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import frequencies_half_plane
from napari_cryoorient.projection.resample import (
    fourier_crop_images,
    fourier_crop_volume,
    fourier_shift,
    fourier_to_images,
    images_to_fourier,
    lowpass,
)

DOUBLE = torch.float64


def gaussian(box: int, width: float, n_dimensions: int, offset: float = 0.0) -> Tensor:
    """A Gaussian ``offset`` pixels from the centre pixel on every axis."""
    axis = torch.arange(box, dtype=DOUBLE) - box // 2 - offset
    profile = torch.exp(-(axis**2) / (2 * width**2))
    image = profile[:, None] * profile
    return image if n_dimensions == 2 else image[:, :, None] * profile


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))


def test_the_transform_and_back_is_the_image() -> None:
    images = noise(2, 16, 16)
    torch.testing.assert_close(fourier_to_images(images_to_fourier(images)), images)


def test_a_centred_spot_has_a_flat_real_transform() -> None:
    image = torch.zeros(16, 16, dtype=DOUBLE)
    image[8, 8] = 1
    torch.testing.assert_close(images_to_fourier(image), torch.ones(16, 9, dtype=torch.complex128))


@pytest.mark.parametrize("box", [32, 100, 128])
@pytest.mark.parametrize("offset", [0.0, 1.5])
def test_resampling_keeps_grey_values_and_the_centre(box: int, offset: float) -> None:
    # Well sampled in either box, so the resampled Gaussian is the Gaussian at the new pixels.
    scale = box / 64
    expected = gaussian(box, 4 * scale, 2, offset * scale)
    found = fourier_crop_images(gaussian(64, 4, 2, offset), box)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("box", [16, 48])
def test_resampling_a_map_keeps_densities_and_the_centre(box: int) -> None:
    scale = box / 32
    expected = gaussian(box, 2.5 * scale, 3, 0.5 * scale)
    found = fourier_crop_volume(gaussian(32, 2.5, 3, 0.5), box)
    torch.testing.assert_close(found, expected, atol=5e-4, rtol=0)


def test_cropping_keeps_every_frequency_below_the_new_nyquist() -> None:
    images = noise(3, 32, 32)
    before, after = images_to_fourier(images), images_to_fourier(fourier_crop_images(images, 20))
    kx, ky = frequencies_half_plane(20)
    inside = (kx < 10) & (ky.abs() < 10)
    rows = torch.cat([torch.arange(10), torch.arange(22, 32)])
    torch.testing.assert_close(after[:, inside], before[:, rows, :11][:, inside] * (20 / 32) ** 2)


def test_padding_and_cropping_back_keeps_images_and_maps() -> None:
    smooth = lowpass(noise(2, 24, 24), 3.0, 1.0, n_dimensions=2)
    torch.testing.assert_close(fourier_crop_images(fourier_crop_images(smooth, 40), 24), smooth)
    volume = lowpass(noise(12, 12, 12), 4.0, 1.0, n_dimensions=3)
    torch.testing.assert_close(fourier_crop_volume(fourier_crop_volume(volume, 20), 12), volume)


def test_a_shift_moves_the_content_forwards() -> None:
    images = noise(2, 16, 16)
    shifts = torch.tensor([[3.0, -2.0], [0.0, 5.0]], dtype=DOUBLE)
    found = fourier_to_images(fourier_shift(images_to_fourier(images), shifts))
    for image, moved, (x, y) in zip(images, found, shifts.long().tolist(), strict=True):
        torch.testing.assert_close(moved, torch.roll(image, (y, x), dims=(0, 1)))


def test_half_a_pixel_and_half_a_pixel_is_one() -> None:
    half_planes = images_to_fourier(gaussian(32, 3, 2))
    half = torch.tensor([0.5, -0.5], dtype=DOUBLE)
    twice = fourier_to_images(fourier_shift(fourier_shift(half_planes, half), half))
    expected = torch.roll(gaussian(32, 3, 2), (-1, 1), dims=(0, 1))
    torch.testing.assert_close(twice, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("n_dimensions", [2, 3])
def test_the_low_pass_halves_the_amplitude_at_its_resolution(n_dimensions: int) -> None:
    box, pixel = 32, 2.0
    x = torch.arange(box, dtype=DOUBLE)
    for cycles, expected in ((4, 1.0), (8, 0.5), (12, 0.0)):
        wave = torch.cos(2 * np.pi * cycles * x / box).expand((box,) * n_dimensions)
        filtered = lowpass(wave, box * pixel / 8, pixel, n_dimensions=n_dimensions)
        torch.testing.assert_close(filtered, expected * wave, atol=1e-12, rtol=0)
