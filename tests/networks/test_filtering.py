from __future__ import annotations

import torch

from napari_cryoorient.networks.filtering import SpectralFilter
from napari_cryoorient.projection.resample import fourier_crop_images


def test_a_larger_box_gives_the_coefficients_of_the_cropped_image() -> None:
    images = torch.randn(3, 40, 40, generator=torch.Generator().manual_seed(0))
    ctf = torch.rand(3, 40, 21, generator=torch.Generator().manual_seed(1)) * 2 - 1
    small_filter = SpectralFilter(18)
    small_ctf = torch.cat([ctf[:, :10, :10], ctf[:, -8:, :10]], dim=1)  # ky 0..9, -8..-1
    large = small_filter(images, ctf)
    small = small_filter(fourier_crop_images(images, 18), small_ctf)
    inside = small_filter.frequencies.norm(dim=1) < 8.5
    torch.testing.assert_close(large[:, inside], small[:, inside], rtol=1e-3, atol=1e-4)


def test_flipped_phases_are_turned_back_and_the_mean_is_ignored() -> None:
    images = torch.randn(2, 18, 18, generator=torch.Generator().manual_seed(0))
    ones = torch.ones(2, 18, 10)
    spectral = SpectralFilter(18)
    plain = spectral(images, ones)
    torch.testing.assert_close(spectral(-images, -ones), plain)
    torch.testing.assert_close(spectral(images + 7.0, ones), plain, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(spectral(5.0 * images, ones), plain)


def test_frequencies_lost_in_noise_are_muted() -> None:
    spectral = SpectralFilter(18)
    noise = torch.ones(10)
    noise[5:] = 1e6
    spectral.set_powers(torch.ones(10), noise)
    images = torch.randn(50, 18, 18, generator=torch.Generator().manual_seed(0))
    power = spectral(images, None).abs().square().mean(0)
    radius = spectral.frequencies.norm(dim=1)
    low = power[(radius > 0) & (radius <= 4)].mean()
    assert power[radius >= 6].max() < 1e-6 * low
