"""Zernike polynomials in RELION's order, of spatial frequencies in 1/angstrom, not cut at radius 1.

``Z(m, n) = R(|m|, n, rho) cos(m phi)``, with ``sin(|m| phi)`` for negative m.  The odd series has
n = 1, 3, 5 ..., the even one n = 0, 2, 4 ..., each with m = -n, 2 - n ... n.
"""

from __future__ import annotations

import math

import numpy as np

from napari_cryoorient.particles import Floats


def zernike_orders(n_coefficients: int, *, is_odd: bool) -> list[tuple[int, int]]:
    """Return (m, n) of the first coefficients of RELION's odd or even series."""
    orders: list[tuple[int, int]] = []
    n = 1 if is_odd else 0
    while len(orders) < n_coefficients:
        orders += [(m, n) for m in range(-n, n + 1, 2)]
        n += 2
    return orders[:n_coefficients]


def zernike_sum(coefficients: Floats, x: Floats, y: Floats, *, is_odd: bool) -> Floats:
    """Return the sum of ``coefficients`` ``(..., c)`` times their polynomials at (x, y).

    x and y broadcast to ``s``; the result is ``(..., *s)``.
    """
    rho, phi = np.hypot(x, y), np.arctan2(y, x)
    total = np.zeros((*coefficients.shape[:-1], *rho.shape))
    for index, (m, n) in enumerate(zernike_orders(coefficients.shape[-1], is_odd=is_odd)):
        values = coefficients[..., index]
        if not values.any():
            continue
        angular = np.cos(m * phi) if m >= 0 else np.sin(-m * phi)
        total += np.multiply.outer(values, _radial(abs(m), n, rho) * angular)
    return total


def _radial(m: int, n: int, rho: Floats) -> Floats:
    total = np.zeros_like(rho)
    for k in range((n - m) // 2 + 1):
        below = math.factorial(k) * math.factorial((n + m) // 2 - k)
        below *= math.factorial((n - m) // 2 - k)
        total += (-1) ** k * math.factorial(n - k) / below * rho ** (n - 2 * k)
    return total
