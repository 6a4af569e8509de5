"""From a particle image to the Fourier coefficients that carry its pose, weighed by their noise.

Only frequencies inside a disc are looked at: the pose is in the low ones.  Each is multiplied by
``c sqrt(P) / (c^2 P + n)`` with c the CTF, P the power of the map's projections and n that of the
noise: the Wiener filter for the whitened signal, which turns flipped phases back and mutes what is
lost in noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_cryoorient.geometry.fourier_grids import at_radii, frequencies_half_plane
from napari_cryoorient.projection.resample import images_to_fourier

# Noise is taken to be at least this part of the signal power, so that zeros of the CTF of a
# noiseless image are not blown up.
NOISE_FLOOR = 0.02
# Signal power is taken to be at least this part of its maximum.
SIGNAL_FLOOR = 1e-9
_TINY = 1e-19


def disc_frequencies(box: int) -> tuple[Tensor, Tensor]:
    """Return ``(m, 2)`` (kx, ky) of the half plane of an even ``box`` inside Nyquist, and places.

    ``(m,)`` places are in the flattened half plane ``(box, box // 2 + 1)``.  Zero frequency comes
    first.
    """
    kx, ky = frequencies_half_plane(box)
    inside = kx * kx + ky * ky < (box / 2) ** 2
    frequencies = torch.stack([kx.expand(box, -1)[inside], ky.expand_as(inside)[inside]], dim=-1)
    return frequencies, inside.flatten().nonzero().flatten()


class SpectralFilter(nn.Module):
    """Crop images to ``box`` in Fourier space and weigh their coefficients.

    ``signal_power`` and ``noise_power`` (box // 2 + 1,) are mean squared coefficients by radius, in
    Fourier pixels, of images at ``box`` as ``fourier_crop_images`` makes them.
    """

    signal_power: Tensor
    noise_power: Tensor
    frequencies: Tensor
    places: Tensor

    def __init__(self, box: int) -> None:
        super().__init__()
        self.box = box
        frequencies, places = disc_frequencies(box)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("signal_power", torch.ones(box // 2 + 1))
        self.register_buffer("noise_power", torch.ones(box // 2 + 1))

    def set_powers(self, signal_power: Tensor, noise_power: Tensor) -> None:
        """Take the spectra of signal and noise, (box // 2 + 1,) each."""
        self.signal_power.copy_(signal_power)
        self.noise_power.copy_(noise_power)

    def at_frequencies(self, spectrum: Tensor) -> Tensor:
        """Interpolate a radial ``spectrum`` (box // 2 + 1,) at the frequencies of the disc (m,)."""
        return at_radii(spectrum, self.frequencies.norm(dim=-1))

    def crop(self, half_planes: Tensor) -> Tensor:
        """Take the disc ``(b, m)`` out of half planes ``(b, N, N // 2 + 1)``, N at least box."""
        n = half_planes.shape[-2]
        if n == self.box:
            places = self.places
        else:
            kx = self.frequencies[:, 0].long()
            ky = self.frequencies[:, 1].long() % n
            places = ky * (n // 2 + 1) + kx
        return half_planes.flatten(1)[:, places]

    def powers(self) -> tuple[Tensor, Tensor]:
        """Return the powers of signal and noise ``(m,)`` at the disc's frequencies, above zero."""
        signal = self.at_frequencies(self.signal_power)
        signal = torch.maximum(signal, signal.max() * SIGNAL_FLOOR)
        return signal, torch.maximum(self.at_frequencies(self.noise_power), NOISE_FLOOR * signal)

    def taken(self, images: Tensor, ctf_half_plane: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the coefficients ``(b, m)`` of images in the disc, and the CTF's there.

        ``images`` (b, N, N) of any even N of at least ``box`` over the same field of view;
        ``ctf_half_plane`` (b, N, N // 2 + 1) or None for 1.
        """
        n = images.shape[-1]
        if n < self.box:
            raise ValueError(f"images of {n} pixels are smaller than the filter's {self.box}")
        coefficients = self.crop(images_to_fourier(images.float())) * (self.box / n) ** 2
        if ctf_half_plane is None:
            return coefficients, torch.ones_like(coefficients.real)
        return coefficients, self.crop(ctf_half_plane)

    def weighed(self, coefficients: Tensor, transfer: Tensor) -> Tensor:
        """Weigh coefficients ``(b, m)``: complex, with a mean square of 1 an image."""
        signal, noise = self.powers()
        weight = transfer * signal.sqrt() / (transfer.square() * signal + noise)
        weight = torch.where(self.places == 0, torch.zeros_like(weight), weight)
        weighed = coefficients * weight
        power = (weighed.real.square() + weighed.imag.square()).mean(dim=1, keepdim=True)
        normalised: Tensor = weighed / (power.sqrt() + _TINY)
        return normalised

    def forward(self, images: Tensor, ctf_half_plane: Tensor | None) -> Tensor:
        """Return the weighed coefficients ``(b, m)`` of images: see ``taken``."""
        return self.weighed(*self.taken(images, ctf_half_plane))
