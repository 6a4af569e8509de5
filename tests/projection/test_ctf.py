from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_cryoorient.geometry.wavelength import electron_wavelength_angstrom
from napari_cryoorient.particles import CtfParameters
from napari_cryoorient.projection.ctf import ctf_half_plane

BOX, PIXEL = 32, 1.5


def parameters(**changes: float) -> CtfParameters:
    values = {
        "defocus_u_angstrom": 15000.0,
        "defocus_v_angstrom": 13000.0,
        "defocus_angle_deg": 25.0,
        "phase_shift_deg": 0.0,
        "voltage_kv": 300.0,
        "spherical_aberration_mm": 2.7,
        "amplitude_contrast": 0.1,
        "b_factor_angstrom2": 0.0,
        "scale": 1.0,
    }
    arrays = {name: np.array([value]) for name, value in {**values, **changes}.items()}
    for array in arrays.values():
        array.flags.writeable = False  # as pandas hands arrays out
    return CtfParameters(**arrays)


def one_value(p: CtfParameters, kx: int, ky: int) -> float:
    """The formula of docs/conventions.md for a single frequency, in plain Python."""
    volts = p.voltage_kv[0] * 1e3
    wavelength = 12.2643247 / math.sqrt(volts * (1 + 0.978466e-6 * volts))
    s2 = (kx**2 + ky**2) / (BOX * PIXEL) ** 2
    u, v = p.defocus_u_angstrom[0], p.defocus_v_angstrom[0]
    angle = math.atan2(ky, kx) - math.radians(p.defocus_angle_deg[0])
    defocus = (u + v) / 2 + (u - v) / 2 * math.cos(2 * angle)
    phase = math.pi * wavelength * defocus * s2
    phase -= math.pi / 2 * p.spherical_aberration_mm[0] * 1e7 * wavelength**3 * s2**2
    phase += math.radians(p.phase_shift_deg[0]) + math.asin(p.amplitude_contrast[0])
    return p.scale[0] * math.exp(-p.b_factor_angstrom2[0] * s2 / 4) * math.sin(phase)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"phase_shift_deg": 80.0},
        {"b_factor_angstrom2": 60.0, "scale": 0.7},
        {"voltage_kv": 200},
    ],
    ids=["plain", "phase plate", "envelope", "200 kV"],
)
def test_each_frequency_follows_the_formula(changes: dict[str, float]) -> None:
    p = parameters(**changes)
    plane = ctf_half_plane(p, BOX, PIXEL, dtype=torch.float64)[0]
    assert plane.shape == (BOX, BOX // 2 + 1)
    for kx, ky in [(0, 0), (3, 0), (0, 5), (4, 7), (4, -7), (15, -15), (16, 2)]:
        assert plane[ky % BOX, kx] == pytest.approx(one_value(p, kx, ky), abs=1e-9)


def test_wavelengths_are_the_tabulated_ones() -> None:
    found = electron_wavelength_angstrom(torch.tensor([100.0, 200.0, 300.0], dtype=torch.float64))
    expected = torch.tensor([0.037014, 0.025079, 0.019687], dtype=torch.float64)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_low_frequencies_are_positive_under_underfocus() -> None:
    plane = ctf_half_plane(parameters(), BOX, PIXEL)[0]
    assert plane[0, 0] == pytest.approx(0.1)
    assert plane[0, 1] > plane[0, 0]


def test_the_defocus_angle_points_along_u() -> None:
    # Along U the defocus is larger, so the first zero comes at a lower frequency.
    p = parameters(defocus_u_angstrom=20000.0, defocus_v_angstrom=10000.0, defocus_angle_deg=90.0)
    plane = ctf_half_plane(p, 128, 2.0)[0]
    zero_x = int((plane[0, :] < 0).nonzero()[0, 0])
    zero_y = int((plane[:64, 0] < 0).nonzero()[0, 0])
    assert zero_y < zero_x


def test_float32_is_as_good_as_float64() -> None:
    p = parameters(defocus_u_angstrom=40000.0, defocus_v_angstrom=39000.0)
    single = ctf_half_plane(p, 128, 1.0)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), ctf_half_plane(p, 128, 1.0, dtype=torch.float64))


def test_tensors_carry_gradients() -> None:
    p = parameters()
    leaf = torch.tensor([15000.0], dtype=torch.float64, requires_grad=True)

    def from_defocus(defocus: torch.Tensor) -> torch.Tensor:
        given = {n: torch.tensor(v) for n, v in vars(p).items() if v is not None}
        given["defocus_u_angstrom"] = defocus
        return ctf_half_plane(given, 8, 4.0, dtype=torch.float64)

    assert torch.autograd.gradcheck(from_defocus, (leaf,), eps=1e-1, atol=1e-7)
    torch.testing.assert_close(
        from_defocus(leaf).detach(), ctf_half_plane(p, 8, 4.0, dtype=torch.float64)
    )
