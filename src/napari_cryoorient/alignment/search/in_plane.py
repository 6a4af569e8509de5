"""Every in-plane angle of views against images, as matrix products.

On rings of the Fourier plane a view is a sum over angular orders, ``T(r, phi) = sum_h T_h(r)
exp(i h phi)``, and turning it by psi from x to y multiplies order h by ``exp(-i h psi)``.  The sum
over the frequencies k of an image is then, with ``w_kr`` the linear interpolation between rings,

``sum_k conj(X_k) T(k turned by -psi) = sum_h exp(-i h psi) sum_r D_hr T_h(r)``,
``D_hr = sum_k w_kr conj(X_k) exp(i h phi_k)``

with k over the whole plane: one product makes D of the image, one for each order adds up the
rings, one the orders.  Half a turn leaves even orders as they are and turns the sign of odd ones,
so that both are added up over half the angles only.

Processors that multiply bfloat16 faster take products in it.  What all views have in common, the
mean of order zero, is left out of them then and added in float32: it can be much larger than what
tells poses apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.shapes import (
    BandPowers,
    BandValues,
    ImagesOnRings,
    TwofoldImages,
    TwofoldViews,
    ViewRotations,
    ViewsOnRings,
)
from napari_cryoorient.device import multiplies_bfloat16

# Rings per Fourier pixel, and orders per Fourier pixel of radius, of a particle as wide as the
# field of view.
RINGS_PER_PIXEL = 2.0
ORDERS_PER_RADIUS = 2.7
# Astigmatism makes the power of an image vary this slowly around a ring.
POWER_ORDERS = 5
# Frequencies of so many rings are brought onto them by one product.
RINGS_TOGETHER = 3


@dataclass(frozen=True)
class OnRings:
    """Even orders, odd orders, and the even orders of powers, of images or of views.

    Images are ``(orders, 2 rings, b)``, views ``(orders, v, 2 rings)``: real parts of all rings,
    then imaginary ones.
    """

    even: Tensor
    odd: Tensor
    power: Tensor

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return all three."""
        return self.even, self.odd, self.power

    def of_orders(self, dtype: torch.dtype) -> OnRings:
        """Return the same with orders, not those of powers, of another type."""
        return OnRings(self.even.to(dtype), self.odd.to(dtype), self.power)

    def split(self, n_views: int) -> list[OnRings]:
        """Split views, in order."""
        columns = (torch.split(part, n_views, dim=1) for part in self.parts())
        return [OnRings(*parts) for parts in zip(*columns, strict=True)]

    @staticmethod
    def joined(parts: list[OnRings]) -> OnRings:
        """Join views, in order."""
        columns = zip(*(part.parts() for part in parts), strict=True)
        return OnRings(*(torch.cat(column, dim=1) for column in columns))


class RingTransform:
    """Turns coefficients in a band into orders on rings, and scores of orders into angles.

    ``fill`` is the particle's diameter as a part of the field of view.  Orders of images, of views
    and their products are of ``dtype``, those of powers float32.
    """

    def __init__(self, likelihood: ParticleLikelihood, radius: float, fill: float) -> None:
        device = likelihood.device
        self.n_frequencies = likelihood.n_frequencies(radius)
        self._density = RINGS_PER_PIXEL * fill
        self.n_rings = max(math.ceil(radius * self._density), 2)
        self.n_orders = math.ceil(ORDERS_PER_RADIUS * fill * radius) + 1
        self.n_angles = 4 * math.ceil(2 * self.n_orders / 4)
        self._likelihood = likelihood
        rough = multiplies_bfloat16(device)
        self.dtype = torch.bfloat16 if rough else torch.float32

        frequencies = likelihood.frequencies[: self.n_frequencies].double().cpu()
        position = (frequencies.norm(dim=1) * self._density - 1).clamp_min(0)  # ring j: (j + 1) / d
        lower = position.floor().long().clamp(0, self.n_rings - 2)
        part = (position - lower).clamp(0, 1)
        phi = torch.atan2(frequencies[:, 1], frequencies[:, 0])
        orders = torch.arange(self.n_orders, dtype=torch.float64)
        self._blocks = []
        for first in range(0, self.n_rings - 1, RINGS_TOGETHER):
            # Frequencies that lie between these rings and those one further out.
            inside = (lower >= first) & (lower < first + RINGS_TOGETHER)
            start, stop = _extent(inside)
            if stop == start:
                continue
            n_rings = min(RINGS_TOGETHER + 1, self.n_rings - first)
            weight = torch.zeros(stop - start, n_rings, dtype=torch.float64)
            rows, near = torch.arange(stop - start), lower[start:stop] - first
            weight[rows, near] = 1 - part[start:stop]
            weight[rows, near + 1] = part[start:stop]
            turned = torch.polar(
                weight[:, :, None].expand(-1, -1, self.n_orders),
                phi[start:stop, None, None] * orders,
            )
            # With the mirror of k, conj(X) becomes 2 Re X for even orders, -2 i Im X for odd ones.
            even = _as_columns(turned[..., 0::2] * 2).to(device)
            odd = _as_columns(turned[..., 1::2] * -2j).to(device)
            low = _as_columns(turned[..., 0 : 2 * POWER_ORDERS : 2] * 2).to(device)
            columns = (even.to(self.dtype), odd.to(self.dtype), low)
            self._blocks.append((first, n_rings, slice(start, stop), columns))

        half = torch.arange(self.n_angles // 2, dtype=torch.float64)
        angles = half * (2 * math.pi / self.n_angles)
        phase = angles[:, None] * orders
        twice = torch.full((self.n_orders,), 2.0, dtype=torch.float64)
        twice[0] = 1
        # Re(F exp(-i h psi)) = Re F cos + Im F sin
        series = torch.stack([phase.cos() * twice, phase.sin() * twice], dim=2).float().to(device)
        # (angles / 2, orders 2)
        self._even_series = series[:, 0::2].flatten(1).to(self.dtype)
        self._odd_series = series[:, 1::2].flatten(1).to(self.dtype)
        self._n_power = min(POWER_ORDERS, (self.n_orders + 1) // 2)
        self._power_series = series[:, 0 : 2 * self._n_power : 2].flatten(1).contiguous()
        self.angles = torch.cat([angles, angles + math.pi]).float().to(device)

    def of_images(self, cross: BandValues, power: BandPowers) -> OnRings:
        """Transform complex ``(b, m)`` and real ``(c, m)``."""
        return OnRings(
            self._on_rings(cross.real.t().to(self.dtype), 0),
            self._on_rings(cross.imag.t().to(self.dtype), 1),
            self._on_rings(power.t(), 2),
        )

    def _on_rings(self, values: Tensor, which: int) -> Tensor:
        """Bring ``(m, n)`` onto rings: 0 even orders, 1 odd ones, 2 those of powers."""
        values, n = values.contiguous(), values.shape[1]
        n_orders = (self.n_orders + 1) // 2, self.n_orders // 2, self._n_power
        total = torch.zeros(n_orders[which], 2, self.n_rings, n, device=values.device)
        for first, n_rings, inside, columns in self._blocks:
            onto = columns[which] @ values[inside]
            total[:, :, first : first + n_rings] += onto.view(-1, 2, n_rings, n)
        return total.flatten(1, 2)

    def of_views(self, rotations: ViewRotations) -> OnRings:
        """Transform the map's slices at rotations ``(v, 3, 3)``."""
        device = self._likelihood.device
        # Enough for the slices' orders, and for the low ones of the squares.
        n_half = self.n_orders + POWER_ORDERS
        phi = torch.arange(n_half, device=device) * (math.pi / n_half)
        radius = torch.arange(1, self.n_rings + 1, device=device) / self._density
        circle = torch.stack([phi.cos(), phi.sin()], dim=-1)
        points = (radius[:, None, None] * circle).flatten(0, 1)
        values = self._likelihood.at_points(self._likelihood.plane_points(rotations, points))
        values = values.view(len(rotations), self.n_rings, n_half)
        # Opposite points are each other's conjugates.
        values = torch.cat([values, values.conj()], dim=2)
        powers = values.real.square() + values.imag.square()
        slices = torch.fft.fft(values, norm="forward")[..., : self.n_orders]
        squares = torch.fft.rfft(powers, norm="forward")[..., : 2 * self._n_power : 2]
        return OnRings(_beside(slices[..., 0::2]), _beside(slices[..., 1::2]), _beside(squares))

    def summed(self, even: Tensor, odd: Tensor) -> tuple[Tensor, Tensor]:
        """Add up products ``(orders, 2, ...)``: ``(angles / 2, ...)`` at psi and at psi + pi."""
        shape = even.shape[2:]
        of_even = self._even_series @ even.reshape(self._even_series.shape[1], -1)
        of_odd = self._odd_series @ odd.reshape(self._odd_series.shape[1], -1)
        first = (of_even + of_odd).view(-1, *shape)
        return first, of_even.sub_(of_odd).view(-1, *shape)

    def summed_powers(self, power: Tensor) -> Tensor:
        """Add up products of powers ``(orders, 2, ...)``: ``(angles / 2, ...)``, the same twice."""
        total: Tensor = self._power_series @ power.reshape(self._power_series.shape[1], -1)
        return total.view(-1, *power.shape[2:])


def _extent(inside: Tensor) -> tuple[int, int]:
    """Return first and last place of a run of True: frequencies are ordered by radius."""
    places = torch.nonzero(inside)[:, 0]
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)


def _as_columns(matrix: Tensor) -> Tensor:
    """Order complex ``(m, rings, orders)`` as real ``(orders 2 rings, m)``."""
    parts = torch.stack([matrix.real, matrix.imag])  # (2, m, rings, orders)
    return parts.permute(3, 0, 2, 1).flatten(0, 2).float().contiguous()


def twofold_images(images: ImagesOnRings) -> TwofoldImages:
    """Return images ``(orders, 2 rings, b)`` as ``(orders, 2 rings, 2, b)``.

    Views times these are the real and the imaginary part of the product.
    """
    real, imaginary = images.chunk(2, dim=1)
    return torch.stack(
        [torch.cat([real, -imaginary], dim=1), torch.cat([imaginary, real], dim=1)], dim=2
    )


def twofold_views(views: ViewsOnRings) -> TwofoldViews:
    """Return views ``(orders, v, 2 rings)`` as ``(orders, 2 v, 2 rings)``.

    These times images are the real and the imaginary part of the product.
    """
    real, imaginary = views.chunk(2, dim=2)
    return torch.cat(
        [torch.cat([real, -imaginary], dim=2), torch.cat([imaginary, real], dim=2)], dim=1
    )


def _beside(values: Tensor) -> Tensor:
    """Order complex ``(v, rings, orders)`` as real ``(orders, v, 2 rings)``."""
    return torch.cat([values.real, values.imag], dim=1).permute(2, 0, 1).contiguous()
