"""The wavelength of the electrons that make the images."""

from __future__ import annotations

import torch
from torch import Tensor

# h / sqrt(2 m e) in angstrom sqrt(volt), and e / (2 m c^2) in 1 / volt (CODATA 2018).
WAVELENGTH_ANGSTROM_SQRT_VOLT = 12.2643247
RELATIVISTIC_PER_VOLT = 0.978466e-6


def electron_wavelength_angstrom(voltage_kv: Tensor) -> Tensor:
    """Return the relativistic wavelength of electrons in angstrom."""
    volts = voltage_kv * 1e3
    return WAVELENGTH_ANGSTROM_SQRT_VOLT / torch.sqrt(volts * (1 + RELATIVISTIC_PER_VOLT * volts))
