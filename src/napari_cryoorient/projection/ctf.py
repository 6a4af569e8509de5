"""Contrast transfer function on the half plane, as RELION 3.1 computes it.

``CTF(s) = scale exp(-B s^2 / 4) sin(pi lam df s^2 - (pi/2) Cs lam^3 s^4 + phase + asin(Q0))`` with
``df = (dU + dV) / 2 + (dU - dV) / 2 cos 2(theta - angle)`` and ``theta = atan2(ky, kx)``.
Underfocus is positive and particles are white, so the sign at low frequency is positive. Even
aberrations (rlnEvenZernike) are taken off the phase.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import frequencies_half_plane
from napari_cryoorient.geometry.wavelength import electron_wavelength_angstrom
from napari_cryoorient.geometry.zernike import zernike_sum
from napari_cryoorient.particles import CtfParameters

_EVEN = "even_zernike"  # (n, c); all other parameters are (n,)


def ctf_half_plane(
    parameters: CtfParameters | Mapping[str, Tensor],
    box: int,
    pixel_size_angstrom: float,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Annotated[Tensor, "b box box//2+1"]:
    """Return the CTF ``(b, box, box // 2 + 1)``, zero frequency first.

    A mapping holds tensors ``(b,)`` under the names of the fields of ``CtfParameters``; its
    gradients flow.  Evaluated in float64 where the device has it, as the phase runs to hundreds
    of radians, and rounded to ``dtype``.
    """
    if isinstance(parameters, CtfParameters):
        given: Mapping[str, Tensor] = {
            f.name: torch.tensor(getattr(parameters, f.name))
            for f in fields(parameters)
            if getattr(parameters, f.name) is not None
        }
    else:
        given = parameters
        device = next(iter(given.values())).device if device is None else device
    place = torch.device("cpu" if device is None else device)
    work = torch.float32 if place.type == "mps" else torch.float64
    p = {
        name: value.to(dtype=work).to(device=place)[:, None, None]
        for name, value in given.items()
        if name != _EVEN
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
    if _EVEN in given:
        per_box = 1 / (box * pixel_size_angstrom)
        x, y = np.broadcast_arrays(*((k * per_box).cpu().double().numpy() for k in (kx, ky)))
        coefficients = given[_EVEN].detach().cpu().double().numpy()
        each, row = np.unique(coefficients, axis=0, return_inverse=True)
        offsets = torch.from_numpy(zernike_sum(each, x, y, is_odd=False)[row.ravel()])
        phase = phase - offsets.to(dtype=work).to(device=place)
    envelope = p["scale"] * torch.exp(-p["b_factor_angstrom2"] * s2 / 4)
    return (envelope * torch.sin(phase)).to(dtype)
