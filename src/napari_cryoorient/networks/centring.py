"""Where the particle of an image lies, told from the mean of the map's views: a first guess.

An image is taken to be the mean over all views, the same in all directions, moved by a shift, with
the views' scatter ``V = S - M^2`` around it and noise.  With c the CTF and X the image,

    log p(s) = Re sum_k conj(X(k)) c M / (n + c^2 V) exp(-2 pi i k s) - s^2 / (2 sigma^2)

on a grid of one shift a pixel; the guess is its mean.  Nothing of it is learned.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_cryoorient.networks.filtering import SpectralFilter
from napari_cryoorient.projection.resample import fourier_to_images


class Centring(nn.Module):
    """Guesses shifts in pixels from a filter's coefficients.

    ``mean`` (box // 2 + 1,) is the mean projection by radius in Fourier pixels, real, in the grey
    scale of the filter's powers; ``sigma_pixels`` () says how far particles scatter.
    """

    mean: Tensor
    sigma_pixels: Tensor

    def __init__(self, box: int) -> None:
        super().__init__()
        self.box = box
        self.register_buffer("mean", torch.zeros(box // 2 + 1))
        self.register_buffer("sigma_pixels", torch.ones(()))

    def set_statistics(self, mean: Tensor, sigma_pixels: float) -> None:
        """Take the mean projection and the scatter of shifts."""
        self.mean.copy_(mean)
        self.sigma_pixels.fill_(sigma_pixels)

    @torch.no_grad()
    def forward(self, coefficients: Tensor, transfer: Tensor, spectra: SpectralFilter) -> Tensor:
        """Return shifts ``(b, 2)`` in pixels of ``coefficients`` and ``transfer`` ``(b, m)``."""
        mean = spectra.at_frequencies(self.mean)
        signal, noise = spectra.powers()
        scatter = (signal - mean.square()).clamp_min(0.0)
        weighed = coefficients * (transfer * mean / (noise + transfer.square() * scatter))
        flat = weighed.new_zeros(len(weighed), self.box * (self.box // 2 + 1))
        flat[:, spectra.places] = weighed
        score = fourier_to_images(flat.view(len(flat), self.box, -1)) * self.box**2
        axis = torch.arange(self.box, device=score.device) - self.box // 2
        squared = axis[:, None].square() + axis.square()
        variance = self.sigma_pixels.square().clamp_min(1e-6)  # zero where all lie in the middle
        score = score - squared / (2 * variance)
        likely = score.flatten(1).softmax(1).view_as(score)
        return torch.stack([(likely.sum(1) * axis).sum(1), (likely.sum(2) * axis).sum(1)], dim=1)


def moved_back(coefficients: Tensor, spectra: SpectralFilter, pixels: Tensor) -> Tensor:
    """Return coefficients ``(b, m)`` of images moved back by ``pixels`` ``(b, 2)``."""
    phase = (2 * torch.pi / spectra.box) * (pixels @ spectra.frequencies.t())
    return coefficients * torch.polar(torch.ones_like(phase), phase)
