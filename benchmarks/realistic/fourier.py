"""Centred arrays in Fourier space, in NumPy alone: crop, shells, CTF. Nothing of the project."""

from __future__ import annotations

import numpy as np
import scipy.fft


def to_fourier(array: np.ndarray, n_dims: int) -> np.ndarray:
    """Transform the last axes, all of one even length N; zero frequency and centre at N // 2."""
    axes = tuple(range(-n_dims, 0))
    return scipy.fft.fftshift(
        scipy.fft.fftn(scipy.fft.ifftshift(array, axes), axes=axes), axes
    )  # complex64 for float32


def from_fourier(transform: np.ndarray, n_dims: int) -> np.ndarray:
    """Turn ``to_fourier`` round; the real part."""
    axes = tuple(range(-n_dims, 0))
    return scipy.fft.fftshift(
        scipy.fft.ifftn(scipy.fft.ifftshift(transform, axes), axes=axes), axes
    ).real


def cropped(array: np.ndarray, box: int, n_dims: int) -> np.ndarray:
    """Crop the last axes to ``box`` (even) in Fourier space; grey values stay."""
    old = array.shape[-1]
    if box > old:
        raise ValueError(f"{old} cannot be cropped to {box}")
    cut = (..., *[slice(old // 2 - box // 2, old // 2 + box // 2)] * n_dims)
    smaller = from_fourier(to_fourier(array, n_dims)[cut], n_dims) * (box / old) ** n_dims
    return smaller.astype(np.float32)


def frequencies(box: int, pixel_angstrom: float) -> tuple[np.ndarray, np.ndarray]:
    """Return kx ``(1, N)`` and ky ``(N, 1)`` in 1/A, centred."""
    axis = (np.arange(box) - box // 2) / (box * pixel_angstrom)
    return axis[None, :], axis[:, None]


def radius(box: int, n_dims: int = 2) -> np.ndarray:
    """Return the distance from the centre N // 2 in pixels or Fourier pixels."""
    axis = np.arange(box, dtype=np.float64) - box // 2
    grids = np.meshgrid(*[axis] * n_dims, indexing="ij")
    return np.sqrt(sum(grid**2 for grid in grids))


def shell_means(power: np.ndarray) -> np.ndarray:
    """Average a centred plane ``(..., N, N)`` over rings: ``(..., N // 2 + 1)``."""
    box = power.shape[-1]
    ring = radius(box).round().astype(int)
    inside = ring <= box // 2
    counts = np.bincount(ring[inside], minlength=box // 2 + 1)
    flat = power.reshape(-1, box, box)
    sums = [np.bincount(ring[inside], plane[inside], box // 2 + 1) for plane in flat]
    return (np.array(sums) / counts).reshape(*power.shape[:-2], -1)


def contrast_transfer(
    box: int,
    pixel_angstrom: float,
    defocus_u: np.ndarray,
    defocus_v: np.ndarray,
    angle_deg: np.ndarray,
    *,
    voltage_kv: float,
    cs_mm: float,
    amplitude_contrast: float,
) -> np.ndarray:
    """Return CTFs ``(n, N, N)``, centred, by RELION's formula, underfocus positive."""
    volts = voltage_kv * 1e3
    wavelength = 12.2643247 / np.sqrt(volts * (1 + 0.978466e-6 * volts))
    kx, ky = frequencies(box, pixel_angstrom)
    squared = kx**2 + ky**2
    theta = np.arctan2(ky, kx)
    mean = ((defocus_u + defocus_v) / 2)[:, None, None]
    half = ((defocus_u - defocus_v) / 2)[:, None, None]
    defocus = mean + half * np.cos(2 * (theta - np.radians(angle_deg)[:, None, None]))
    phase = np.pi * wavelength * defocus * squared
    phase = phase - np.pi / 2 * cs_mm * 1e7 * wavelength**3 * squared**2
    return np.sin(phase + np.arcsin(amplitude_contrast)).astype(np.float32)
