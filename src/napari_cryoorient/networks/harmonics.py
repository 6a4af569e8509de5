"""Images as angular harmonics, in which turning an image is a change of phases.

``a[k, q] = sum over pixels of image(r, theta) J_k(z_kq r / D) exp(-i k theta)``, the Fourier-Bessel
coefficients on the disc of diameter ``2 D``, the box (z_kq: zeros of the Bessel function J_k).
Turning the content of the image by phi from x to y multiplies ``a[k, q]`` by ``exp(-i k phi)``.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import jn_zeros, jv
from torch import Tensor, nn

# Points a side at which the basis is sampled, per Fourier pixel of the band limit: 2 is Nyquist.
_OVERSAMPLING = 4


def fourier_bessel_matrix(
    frequencies: NDArray[np.float64], max_order: int, max_radius: float
) -> tuple[NDArray[np.complex128], NDArray[np.complex128], list[int]]:
    """Return ``real`` and ``imaginary`` (n, m) with ``a = real Re F + imaginary Im F``.

    ``frequencies`` (m, 2) are the half plane's (kx, ky) in Fourier pixels, without their
    conjugates but for the column kx = 0, which holds both signs of ky; ``F`` the coefficients
    there, phases about the centre.  The last item counts the coefficients of each order k = 0 to
    ``max_order`` that ``max_radius`` (Fourier pixels) leaves room for.
    """
    side = int(np.ceil(_OVERSAMPLING * max_radius / 2) * 2)
    axis = (np.arange(side) - side // 2) / side
    x, y = np.meshgrid(axis, axis)
    radius, theta = np.hypot(x, y), np.arctan2(y, x)
    disc = radius <= 0.5
    x, y, radius, theta = x[disc], y[disc], radius[disc], theta[disc]

    radii, of_radii = np.unique(radius, return_inverse=True)  # an eighth of them

    waves = np.exp(2j * np.pi * (np.outer(x, frequencies[:, 0]) + np.outer(y, frequencies[:, 1])))
    twice = np.where(frequencies[:, 0] > 0, 2.0, 1.0)
    waves *= twice / np.sqrt(len(frequencies))

    counts, rows = [], []
    for order in range(max_order + 1):
        zeros = jn_zeros(order, int(max_radius) + 4)
        zeros = zeros[zeros < np.pi * max_radius]
        counts.append(len(zeros))
        angular = np.exp(-1j * order * theta)
        for zero in zeros:
            radial = jv(order, 2 * zero * radii) / abs(jv(order + 1, zero))
            rows.append(radial[of_radii] * angular)
    basis = np.array(rows) / np.sqrt(len(radius))
    # The image is the real part of waves @ F.
    return basis @ waves.real, -(basis @ waves.imag), counts


class AngularHarmonics(nn.Module):
    """Coefficients ``a[k, q]`` of the image whose Fourier coefficients are given.

    A fixed linear map.  ``counts`` tells how many q each order k has; the others, up to ``n_rings``
    for every order, are zero.
    """

    matrix: Tensor

    def __init__(self, frequencies: Tensor, max_order: int, max_radius: float) -> None:
        super().__init__()
        real, imaginary, self.counts = fourier_bessel_matrix(
            frequencies.double().numpy(), max_order, max_radius
        )
        self.n_orders, self.n_rings = max_order + 1, max(self.counts)
        # (order, part of a, ring) by (part of F, frequency)
        matrix = np.zeros((self.n_orders, 2, self.n_rings, 2, len(frequencies)))
        first = 0
        for order, count in enumerate(self.counts):
            rows = slice(first, first + count)
            for part, of_part in enumerate((np.real, np.imag)):
                matrix[order, part, :count, 0] = of_part(real[rows])
                matrix[order, part, :count, 1] = of_part(imaginary[rows])
            first += count
        flat = np.ascontiguousarray(matrix.reshape(-1, 2 * len(frequencies)))
        self.register_buffer("matrix", torch.from_numpy(flat).float(), persistent=False)

    def forward(self, coefficients: Tensor) -> Tensor:
        """Return ``(orders, 2 rings, b)`` of complex ``(b, m)``: real parts, then imaginary."""
        parts = torch.cat([coefficients.real, coefficients.imag], dim=1)
        harmonics = self.matrix @ parts.t()
        return harmonics.view(self.n_orders, 2 * self.n_rings, len(coefficients))
