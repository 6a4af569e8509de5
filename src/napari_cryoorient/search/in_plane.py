"""Every in-plane angle of every view against every image, as matrix products.

On rings of the Fourier plane a view is a sum over angular orders, ``T(r, phi) = sum_h T_h(r)
exp(i h phi)``, and turning it by psi from x to y multiplies order h by ``exp(-i h psi)``.  The sum
over the frequencies k of an image is then, with ``w_kr`` the linear interpolation between rings,

``sum_k conj(X_k) T(k turned by -psi) = sum_h exp(-i h psi) sum_r D_hr T_h(r)``,
``D_hr = sum_k w_kr conj(X_k) exp(i h phi_k)``

with k over the whole plane: one product makes D of the image, one for each order adds up the
rings, one the orders.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_cryoorient.likelihood import ParticleLikelihood

RINGS_PER_PIXEL = 2
# Orders per Fourier pixel of radius: 2 pi times the largest radius of a particle in boxes.
ORDERS_PER_RADIUS = 2.5


class RingTransform:
    """Turns coefficients in a band into orders on rings, and scores of orders into angles."""

    def __init__(self, likelihood: ParticleLikelihood, radius: float) -> None:
        device = likelihood.device
        self.n_frequencies = likelihood.n_frequencies(radius)
        self.n_rings = math.ceil(radius * RINGS_PER_PIXEL)
        self.n_orders = math.ceil(ORDERS_PER_RADIUS * radius) + 1
        self.n_angles = 4 * math.ceil(2 * self.n_orders / 4)
        self._likelihood = likelihood

        frequencies = likelihood.frequencies[: self.n_frequencies].double().cpu()
        position = frequencies.norm(dim=1) * RINGS_PER_PIXEL - 1  # ring j has radius (j + 1) / 2
        lower = position.floor().long().clamp(0, max(self.n_rings - 2, 0))
        part = (position - lower).clamp(0, 1)
        weight = torch.zeros(self.n_frequencies, self.n_rings, dtype=torch.float64)
        rows = torch.arange(self.n_frequencies)
        weight[rows, lower] = 1 - part
        weight[rows, (lower + 1).clamp_max(self.n_rings - 1)] += part
        phi = torch.atan2(frequencies[:, 1], frequencies[:, 0])
        orders = torch.arange(self.n_orders, dtype=torch.float64)
        turned = torch.polar(
            weight[:, :, None].expand(-1, -1, self.n_orders), phi[:, None, None] * orders
        )
        # With the mirror of k, conj(X) becomes 2 Re X for even orders and -2 i Im X for odd ones.
        even, odd = turned[..., 0::2] * 2, turned[..., 1::2] * -2j
        self._even = _as_columns(even).to(device)
        self._odd = _as_columns(odd).to(device)

        angles = torch.arange(self.n_angles, dtype=torch.float64) * (2 * math.pi / self.n_angles)
        phase = angles[:, None] * orders
        twice = torch.full((self.n_orders,), 2.0, dtype=torch.float64)
        twice[0] = 1
        # Re(F exp(-i h psi)) = Re F cos + Im F sin
        series = torch.stack([phase.cos() * twice, phase.sin() * twice], dim=2)
        self._series = series.flatten(1).float().to(device)  # (angles, orders 2)
        even_orders = series[:, 0::2]
        self._even_series = even_orders.flatten(1).float().to(device)
        self.angles = angles.float().to(device)

    def of_images(self, cross: Tensor) -> Tensor:
        """Return ``(orders, 2, 2 rings, b)`` of complex ``(b, m)``, for ``of_views`` to multiply.

        The second axis gives the real and the imaginary part of the product.
        """
        even = self._even @ cross.real.t()
        odd = self._odd @ cross.imag.t()
        n = len(cross)
        even = even.view(-1, 2, self.n_rings, n)
        odd = odd.view(-1, 2, self.n_rings, n)
        return _for_product(self._interleaved(even, odd))

    def of_powers(self, power: Tensor) -> Tensor:
        """Return the same of real ``(b, m)``, even orders alone."""
        return _for_product((self._even @ power.t()).view(-1, 2, self.n_rings, len(power)))

    def _interleaved(self, even: Tensor, odd: Tensor) -> Tensor:
        orders = even.new_empty(self.n_orders, *even.shape[1:])
        orders[0::2], orders[1::2] = even, odd
        return orders

    def of_views(self, rotations: Tensor) -> tuple[Tensor, Tensor]:
        """Return orders of the map's slices and of their powers, ``(orders, v, 2 rings)``.

        The second holds even orders alone.
        """
        device = self._likelihood.device
        n_samples = 4 * self.n_orders
        phi = torch.arange(n_samples, device=device) * (2 * math.pi / n_samples)
        radius = torch.arange(1, self.n_rings + 1, device=device) / RINGS_PER_PIXEL
        circle = torch.stack([phi.cos(), phi.sin()], dim=-1)
        points = (radius[:, None, None] * circle).flatten(0, 1)
        values = self._likelihood.at_points(self._likelihood.plane_points(rotations, points))
        values = values.view(len(rotations), self.n_rings, n_samples)
        powers = values.real.square() + values.imag.square()
        slices = torch.fft.fft(values, norm="forward")[..., : self.n_orders]
        squares = torch.fft.rfft(powers, norm="forward")[..., : self.n_orders : 2]
        return _beside(slices), _beside(squares)

    def scores(self, images: Tensor, views: Tensor) -> Tensor:
        """Return ``(angles, v, b)`` of ``of_images`` against ``of_views``."""
        return self._summed(images, views, self._series)

    def power_scores(self, powers: Tensor, views: Tensor) -> Tensor:
        """Return ``(angles, v, b)`` of ``of_powers`` against the second of ``of_views``."""
        return self._summed(powers, views, self._even_series)

    @staticmethod
    def _summed(images: Tensor, views: Tensor, series: Tensor) -> Tensor:
        n_orders, _, _, n = images.shape
        # (orders, 2, v, b): real and imaginary part
        product = views[:, None] @ images
        total: Tensor = series @ product.flatten(2).view(2 * n_orders, -1)
        return total.view(-1, views.shape[1], n)


def _as_columns(matrix: Tensor) -> Tensor:
    """Order complex ``(m, rings, orders)`` as real ``(orders 2 rings, m)``."""
    parts = torch.stack([matrix.real, matrix.imag])  # (2, m, rings, orders)
    return parts.permute(3, 0, 2, 1).flatten(0, 2).float().contiguous()


def _for_product(orders: Tensor) -> Tensor:
    """Order ``(orders, 2, rings, b)`` so that [Tr, Ti] times it is the product with T."""
    real, imaginary = orders.unbind(1)
    to_real = torch.cat([real, -imaginary], dim=1)
    to_imaginary = torch.cat([imaginary, real], dim=1)
    return torch.stack([to_real, to_imaginary], dim=1)


def _beside(values: Tensor) -> Tensor:
    """Order complex ``(v, rings, orders)`` as real ``(orders, v, 2 rings)``."""
    return torch.cat([values.real, values.imag], dim=1).permute(2, 0, 1).contiguous()
