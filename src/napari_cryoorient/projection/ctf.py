"""Contrast transfer function on the half plane, as RELION 3.1 computes it.

``CTF(s) = scale exp(-B s^2 / 4) sin(pi lam df s^2 - (pi/2) Cs lam^3 s^4 + phase + asin(Q0))`` with
``df = (dU + dV) / 2 + (dU - dV) / 2 cos 2(theta - angle)`` and ``theta = atan2(ky, kx)``.
Underfocus is positive and particles are white, so the sign at low frequency is positive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields

import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import frequencies_half_plane
from napari_cryoorient.particles import CtfParameters

# h / sqrt(2 m e) in angstrom sqrt(volt), and e / (2 m c^2) in 1 / volt (CODATA 2018).
WAVELENGTH_ANGSTROM_SQRT_VOLT = 12.2643247
RELATIVISTIC_PER_VOLT = 0.978466e-6


def electron_wavelength_angstrom(voltage_kv: Tensor) -> Tensor:
    """Return the relativistic wavelength of electrons in angstrom."""
    volts = voltage_kv * 1e3
    return WAVELENGTH_ANGSTROM_SQRT_VOLT / torch.sqrt(volts * (1 + RELATIVISTIC_PER_VOLT * volts))


def ctf_half_plane(
    parameters: CtfParameters | Mapping[str, Tensor],
    box: int,
    pixel_size_angstrom: float,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return the CTF ``(b, box, box // 2 + 1)``, zero frequency first.

    A mapping holds tensors ``(b,)`` under the names of the fields of ``CtfParameters``; its
    gradients flow.  Evaluated in float64 where the device has it, as the phase runs to hundreds
    of radians, and rounded to ``dtype``.
    """
    if isinstance(parameters, CtfParameters):
        given: Mapping[str, Tensor] = {
            f.name: torch.tensor(getattr(parameters, f.name)) for f in fields(parameters)
        }
    else:
        given = parameters
        device = next(iter(given.values())).device if device is None else device
    place = torch.device("cpu" if device is None else device)
    work = torch.float32 if place.type == "mps" else torch.float64
    p = {
        name: value.to(dtype=work).to(device=place)[:, None, None] for name, value in given.items()
    }

    kx, ky = frequencies_half_plane(box, device=place, dtype=work)
    per_square = 1 / (box * pixel_size_angstrom) ** 2
    s2 = (kx * kx + ky * ky) * per_square  # 1 / angstrom^2
    s2_cos_2theta = (kx * kx - ky * ky) * per_square
    s2_sin_2theta = 2 * kx * ky * per_square

    wavelength = electron_wavelength_angstrom(p["voltage_kv"])
    mean = (p["defocus_u_angstrom"] + p["defocus_v_angstrom"]) / 2
    astigmatism = (p["defocus_u_angstrom"] - p["defocus_v_angstrom"]) / 2
    twice = torch.deg2rad(2 * p["defocus_angle_deg"])
    defocus_s2 = mean * s2 + astigmatism * (
        torch.cos(twice) * s2_cos_2theta + torch.sin(twice) * s2_sin_2theta
    )
    spherical_angstrom = p["spherical_aberration_mm"] * 1e7
    phase = (
        math.pi * wavelength * defocus_s2
        - (math.pi / 2) * spherical_angstrom * wavelength**3 * s2**2
        + torch.deg2rad(p["phase_shift_deg"])
        + torch.asin(p["amplitude_contrast"])
    )
    envelope = p["scale"] * torch.exp(-p["b_factor_angstrom2"] * s2 / 4)
    return (envelope * torch.sin(phase)).to(dtype)
