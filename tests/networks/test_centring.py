"""A first guess of where an object lies."""

from __future__ import annotations

import torch

from napari_cryoorient.geometry.fourier_grids import radial_mean_half_plane
from napari_cryoorient.networks.centring import Centring, moved_back
from napari_cryoorient.networks.filtering import SpectralFilter
from napari_cryoorient.projection.resample import images_to_fourier

BOX = 24


def blobs(centres: torch.Tensor) -> torch.Tensor:
    """Return round blobs ``(b, BOX, BOX)`` at centres ``(b, 2)`` in pixels."""
    axis = torch.arange(BOX) - BOX // 2
    x, y = centres[:, 0, None, None], centres[:, 1, None, None]
    return torch.exp(-((axis - x) ** 2 + (axis[:, None] - y) ** 2) / 8.0)


def ready() -> tuple[Centring, SpectralFilter]:
    plane = images_to_fourier(blobs(torch.zeros(1, 2)))
    spectra, centring = SpectralFilter(BOX), Centring(BOX)
    power = radial_mean_half_plane(plane.abs().square())[0][: BOX // 2 + 1]
    spectra.set_powers(1.2 * power, torch.full_like(power, 20.0))
    centring.set_statistics(radial_mean_half_plane(plane.real)[0][: BOX // 2 + 1], 3.0)
    return centring, spectra


def test_a_noisy_object_is_found_whatever_the_ctfs_sign():
    generator = torch.Generator().manual_seed(0)
    true = 3.0 * torch.randn(40, 2, generator=generator)
    images = blobs(true) + 0.15 * torch.randn(40, BOX, BOX, generator=generator)
    centring, spectra = ready()
    coefficients, transfer = spectra.taken(images, None)
    found = centring(coefficients, transfer, spectra)
    assert float((found - true).norm(dim=1).median()) < 0.5
    flipped = centring(-coefficients, -transfer, spectra)
    torch.testing.assert_close(flipped, found)
    # Of noise alone nothing is known: the guess is near what is likely beforehand.
    noise = 0.15 * torch.randn(40, BOX, BOX, generator=generator)
    guess = centring(*spectra.taken(noise, None), spectra)
    assert float(guess.norm(dim=1).median()) < float(true.norm(dim=1).median())


def test_an_image_moved_back_is_that_of_the_centred_object():
    _, spectra = ready()
    places = torch.tensor([[2.0, -1.5], [-3.0, 0.5]])
    moved = moved_back(spectra.taken(blobs(places), None)[0], spectra, places)
    centred = spectra.taken(blobs(torch.zeros(2, 2)), None)[0]
    assert float((moved - centred).abs().max()) < 1e-3 * float(centred.abs().max())


def test_nothing_moves_where_all_objects_lie_in_the_middle():
    centring, spectra = ready()
    centring.sigma_pixels.zero_()
    found = centring(*spectra.taken(blobs(torch.tensor([[2.0, 1.0]])), None), spectra)
    torch.testing.assert_close(found, torch.zeros(1, 2))
