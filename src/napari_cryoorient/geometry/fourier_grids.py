"""Radii and frequencies of centred boxes, and what depends on the radius alone.

The centre is pixel ``N // 2``; frequencies count Fourier pixels (cycles per box).  A half plane
``(N, N // 2 + 1)`` is the output layout of ``rfft2``, zero frequency first.  ``maps.fsc``
has its radii in NumPy, since a window that shows a curve has no torch loaded.
"""

from __future__ import annotations

import torch
from torch import Tensor


def frequencies_half_plane(
    box: int, *, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Return kx ``(1, N // 2 + 1)`` and ky ``(N, 1)`` in Fourier pixels.

    Row ``N // 2`` is ky = +N / 2, as RELION counts it.
    """
    kx = torch.arange(box // 2 + 1, device=device, dtype=dtype)
    ky = torch.arange(box, device=device, dtype=dtype)
    ky = torch.where(ky > box // 2, ky - box, ky)
    return kx[None, :], ky[:, None]


def radius_half_plane(
    box: int, *, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Return the radius ``(N, N // 2 + 1)`` in Fourier pixels."""
    kx, ky = frequencies_half_plane(box, device=device, dtype=dtype)
    return torch.sqrt(kx * kx + ky * ky)


def radius_of_fft(
    box: int,
    n_dimensions: int,
    *,
    is_half: bool = True,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return the radius ``(N, ..., N // 2 + 1)`` of ``rfftn``'s output, ``(N, ..., N)`` of fftn's.

    In Fourier pixels, over ``n_dimensions`` axes.
    """
    full = torch.fft.fftfreq(box, device=device, dtype=dtype) * box
    half = torch.fft.rfftfreq(box, device=device, dtype=dtype) * box
    axes = torch.meshgrid(*[full] * (n_dimensions - 1), half if is_half else full, indexing="ij")
    return torch.stack([axis * axis for axis in axes]).sum(0).sqrt()


def centred_axis(
    box: int, *, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Return the pixels' places ``(N,)`` along an axis, counted from the centre pixel."""
    return torch.arange(box, device=device, dtype=dtype) - box // 2


def radius_of_voxels(
    box: int, *, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Return the distance ``(N, N, N)`` of voxels from the centre voxel."""
    squares = centred_axis(box, device=device, dtype=dtype).square()
    return torch.sqrt(squares[:, None, None] + squares[:, None] + squares)


def at_radii(spectrum: Tensor, radii: Tensor) -> Tensor:
    """Interpolate a radial ``spectrum`` ``(r,)``, one value a Fourier pixel, at ``radii`` (...).

    Linear between its values; beyond the last the line through the last two is continued.
    """
    lower = radii.floor().long().clamp(0, len(spectrum) - 2)
    part = radii - lower
    values: Tensor = spectrum[lower] * (1 - part) + spectrum[lower + 1] * part
    return values


def shell_mean(values: Tensor, radius: Tensor) -> Tensor:
    """Average ``values`` over shells one pixel thick, for every radius that occurs: ``(r,)``.

    Shell r holds what has a ``radius``, of the shape of ``values``, that rounds to r.
    """
    shell = radius.round().long().flatten()
    n = int(shell.max()) + 1
    sums = values.new_zeros(n).index_add_(0, shell, values.flatten())
    counts = values.new_zeros(n).index_add_(0, shell, torch.ones_like(values).flatten())
    return sums / counts.clamp_min(1)


def radial_mean_half_plane(values: Tensor) -> Tensor:
    """Average real half planes ``(..., N, N // 2 + 1)`` over rings: ``(..., N // 2 + 1)``.

    Ring r holds the frequencies whose radius rounds to r, each counted as often as in the full
    plane; the corners beyond Nyquist are left out.
    """
    box = values.shape[-2]
    n_rings = box // 2 + 1
    ring = radius_half_plane(box, device=values.device, dtype=values.dtype).round().long()
    weight = torch.full((box, n_rings), 2.0, device=values.device, dtype=values.dtype)
    weight[:, 0] = 1
    weight[:, -1] = 1
    weight = torch.where(ring < n_rings, weight, torch.zeros_like(weight))
    ring = ring.clamp_max(n_rings - 1).flatten()
    counts = weight.new_zeros(n_rings).index_add(0, ring, weight.flatten())
    sums = values.new_zeros(*values.shape[:-2], n_rings).index_add(
        -1, ring, (values * weight).flatten(-2)
    )
    return sums / counts


def raised_cosine(radius: Tensor, cutoff: float, edge: float) -> Tensor:
    """Return 1 below ``cutoff - edge / 2``, 0 above ``cutoff + edge / 2``, a cosine between."""
    position = ((radius - cutoff) / max(edge, 1e-6) + 0.5).clamp(0, 1)
    return 0.5 * (1 + torch.cos(torch.pi * position))
