"""A map compared with itself turned about its centre, within a band of frequencies."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import centred_axis, radius_of_fft, shell_mean
from napari_cryoorient.geometry.rotations import rotation_vector_to_matrix
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.projection.resample import fourier_crop_volume

# Correlations are over frequencies from this many per box to that many per voxel.
LOWEST_FREQUENCY, HIGHEST_PART = 2.5, 0.33
_POINTS_AT_ONCE = 2**19


def positions(box: int) -> Tensor:
    """Return the voxels' places ``(box, box, box, 3)`` (z, y, x) from the centre, in voxels."""
    axis = centred_axis(box, dtype=torch.float64)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)


def flattened(volume: Tensor, low: float, high: float) -> Tensor:
    """Keep a map's frequencies from ``low`` to ``high`` (per box), all shells of equal power.

    The strong low frequencies agree for any two compact maps, and would hide the others.
    """
    box = volume.shape[-1]
    radius = radius_of_fft(box, 3, is_half=False, dtype=torch.float64)
    transform = torch.fft.fftn(torch.fft.ifftshift(volume))
    band = torch.sigmoid((radius - low) * 4) * torch.sigmoid((high - radius) * 4)
    power = shell_mean(transform.abs().square(), radius)
    flat = band / power.clamp_min(1e-30).sqrt()[radius.round().long()]
    filtered: Tensor = torch.fft.fftshift(torch.fft.ifftn(transform * flat).real)
    return filtered


class SelfRotation:
    """Correlates a map with itself turned about its centre, in a band of frequencies."""

    def __init__(self, density: DensityMap, box: int, n_points: int) -> None:
        box = min(density.box, box)
        box -= box % 2
        volume = fourier_crop_volume(torch.from_numpy(density.voxels).double(), box)
        zyx = positions(box)
        inside = zyx.norm(dim=-1) < box / 2 - 1
        volume = (volume - volume[~inside].mean()) * inside
        filtered = flattened(volume, LOWEST_FREQUENCY, HIGHEST_PART * box)
        self._volume = filtered.float()
        values = filtered[inside].float()
        strongest = values.abs().topk(min(n_points, len(values))).indices
        self._points = zyx[inside].flip(-1).float()[strongest]  # (p, 3), x y z
        values = values[strongest]
        self._values = values / values.norm()
        self._half = box // 2

    def of_rotations(self, rotations: Tensor) -> Tensor:
        """Return correlations ``(r,)`` of the map with itself at rotations ``(r, 3, 3)``."""
        size = max(1, _POINTS_AT_ONCE // len(self._points))
        return torch.cat([self._of(part) for part in torch.split(rotations.float(), size)])

    def _of(self, rotations: Tensor) -> Tensor:
        n = self._volume.shape[-1]
        points = self._points @ rotations.transpose(1, 2)
        grid = (points + self._half) * (2 / (n - 1)) - 1
        sampled = torch.nn.functional.grid_sample(
            self._volume[None, None], grid[None, :, :, None], align_corners=True
        )[0, 0, :, :, 0]
        agreement: Tensor = (sampled @ self._values) / sampled.norm(dim=1).clamp_min(1e-20)
        return agreement

    def about_axes(self, directions: Tensor, fold: int) -> Tensor:
        """Return correlations ``(d,)`` at one turn by 360 / fold about ``directions`` (d, 3)."""
        turn = directions * (2 * math.pi / fold)
        return self.of_rotations(rotation_vector_to_matrix(turn))
