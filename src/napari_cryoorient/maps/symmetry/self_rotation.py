"""A map compared with itself turned about a centre, within a band of frequencies."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import centred_axis, radius_of_fft, shell_mean
from napari_cryoorient.geometry.rotations import rotation_vector_to_matrix
from napari_cryoorient.particles import DensityMap, median_of_faces
from napari_cryoorient.projection.resample import fourier_crop_volume

# Correlations are over frequencies from this many per box to that many per voxel.
LOWEST_FREQUENCY, HIGHEST_PART = 2.5, 0.33
# Shells of less than this part of the strongest one's power hold nothing but rounding.
FAINT = 1e-5
# Where noise is more than this part of what is compared, nothing can be told.
MOST_NOISE = 0.8
# Agreement in places is taken over a Gaussian of this part of the box; there has to be this part of
# the densest place's energy.
PLACE_PART, PLACE_ENERGY = 0.06, 0.15
# Density above this part of the highest counts for where the middle of a map is.
CLEAR_PART = 0.25
_POINTS_AT_ONCE = 2**19


def positions(box: int) -> Tensor:
    """Return the voxels' places ``(box, box, box, 3)`` (z, y, x) from the centre, in voxels."""
    axis = centred_axis(box, dtype=torch.float64)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)


def middle_of(density: DensityMap) -> Tensor:
    """Return the centroid ``(3,)`` (x, y, z) of a map's clear density from its box's centre, in A.

    It lies on every axis of symmetry that the map has.
    """
    strong = density.voxels.astype(np.float64) - median_of_faces(density.voxels)
    strong = np.where(strong > CLEAR_PART * strong.max(), strong, 0.0)
    axis = np.arange(density.box) - density.box // 2
    sums = [strong.sum(tuple(a for a in range(3) if a != along)) @ axis for along in (2, 1, 0)]
    scale = density.pixel_size_angstrom / max(float(strong.sum()), 1e-30)
    return torch.tensor(sums, dtype=torch.float64) * scale


def shell_power(volume: Tensor, radius: Tensor) -> Tensor:
    """Return the mean power of a map's frequencies by shell, their radii given."""
    return shell_mean(torch.fft.fftn(torch.fft.ifftshift(volume)).abs().square(), radius)


def flattened(volume: Tensor, low: float, high: float) -> Tensor:
    """Keep a map's frequencies from ``low`` to ``high`` (per box), all shells of equal power.

    The strong low frequencies agree for any two compact maps, and would hide the others.
    """
    radius = _radii(volume.shape[-1])
    amplitude = shell_power(volume, radius).clamp_min(1e-30).sqrt()[radius.round().long()]
    return _filtered(volume, _band(radius, low, high) / amplitude)


def _radii(box: int) -> Tensor:
    return radius_of_fft(box, 3, is_half=False, dtype=torch.float64)


def _band(radius: Tensor, low: float, high: float) -> Tensor:
    return torch.sigmoid((radius - low) * 4) * torch.sigmoid((high - radius) * 4)


def _filtered(volume: Tensor, weights: Tensor) -> Tensor:
    transform = torch.fft.fftn(torch.fft.ifftshift(volume))
    filtered: Tensor = torch.fft.fftshift(torch.fft.ifftn(transform * weights).real)
    return filtered


class SelfRotation:
    """Correlates a map with itself turned about ``centre`` ``(3,)`` (x, y, z, in A), in a band.

    Shells are of equal power but for their noise, which the corners of the box tell; agreements
    are what they would be without it.
    """

    def __init__(
        self, density: DensityMap, box: int, n_points: int, centre: Tensor | None = None
    ) -> None:
        box = min(density.box, box)
        box -= box % 2
        self.voxel_angstrom = density.pixel_size_angstrom * density.box / box
        self.centre = torch.zeros(3, dtype=torch.float64) if centre is None else centre.double()
        volume = fourier_crop_volume(torch.from_numpy(density.voxels).double(), box)
        self._zyx = positions(box)
        self._inside = self._zyx.norm(dim=-1) < box / 2 - 1
        volume = volume - volume[~self._inside].mean()
        radius = _radii(box)
        shell = radius.round().long()
        part = float((~self._inside).double().mean())
        noise = shell_power(volume * ~self._inside, radius) / part * (1 - part)
        volume = volume * self._inside
        power = shell_power(volume, radius)
        band = _band(radius, LOWEST_FREQUENCY, HIGHEST_PART * box)
        signal_part = ((power - noise) / power.clamp_min(1e-300)).clamp(0, 1)
        signal_part[power < FAINT * power[1:].max()] = 0.0
        weights = band * (signal_part / power.clamp_min(1e-300)).sqrt()[shell]
        filtered = _filtered(volume, weights) * self._inside
        self._volume = filtered.float()
        within = filtered[self._inside].float()
        strongest = within.abs().topk(min(n_points, len(within))).indices
        self._points = self._zyx[self._inside].flip(-1).float()[strongest]  # (p, 3), x y z
        values = within[strongest]
        self._values = values / values.norm().clamp_min(1e-30)
        # Noise of a filtered voxel inside, squared; and its part of what is compared.
        squares = (weights.square() * noise[shell]).sum() / (1 - part)
        self._noise = float(squares) / box**6
        energy = float(values.double().square().mean())
        self.noise_part = min(self._noise / max(energy, 1e-300), 1.0)
        self._half = box // 2

    def of_rotations(self, rotations: Tensor, centre: Tensor | None = None) -> Tensor:
        """Return correlations ``(r,)`` of the map with itself at rotations ``(r, 3, 3)``."""
        size = max(1, _POINTS_AT_ONCE // len(self._points))
        about = self.centre if centre is None else centre
        parts = [self._of(part, about) for part in torch.split(rotations.double(), size)]
        return (torch.cat(parts) / max(1 - self.noise_part, 1 - MOST_NOISE)).clamp_max(1.0)

    def _of(self, rotations: Tensor, centre: Tensor) -> Tensor:
        sampled = self._turned(self._points, rotations, centre)
        agreement: Tensor = (sampled @ self._values) / sampled.norm(dim=1).clamp_min(1e-20)
        return agreement

    def _turned(self, points: Tensor, rotations: Tensor, centre: Tensor) -> Tensor:
        """Look the map up at ``points`` (p, 3) turned about ``centre``: ``(r, p)``."""
        n = self._volume.shape[-1]
        middle = centre / self.voxel_angstrom
        offsets = middle - rotations @ middle
        turned = points @ rotations.float().transpose(1, 2) + offsets.float()[:, None]
        grid = (turned + self._half) * (2 / (n - 1)) - 1
        return torch.nn.functional.grid_sample(
            self._volume[None, None], grid[None, :, :, None], align_corners=True
        )[0, 0, :, :, 0]

    def about_axes(self, directions: Tensor, fold: int) -> Tensor:
        """Return correlations ``(d,)`` at one turn by 360 / fold about ``directions`` (d, 3)."""
        turn = directions * (2 * math.pi / fold)
        return self.of_rotations(rotation_vector_to_matrix(turn))

    def least_in_places(self, rotations: Tensor) -> float:
        """Return the agreement in the place of the map where it is least, over rotations.

        A subunit that is missing, or another, shows there and hardly in the whole. 1 where the
        map's noise hides such places.
        """
        energy = self._around(self._volume.double().square())
        least = 1.0
        points = self._zyx.flip(-1).flatten(0, 2).float()
        for rotation in rotations:
            turned = self._turned(points, rotation[None], self.centre)[0].view_as(self._volume)
            turned = turned.double() * self._inside
            other = self._around(turned.square())
            shared = self._around(self._volume.double() * turned)
            both = (energy + other) / 2 - self._noise
            strong = torch.maximum(energy, other) - self._noise
            counted = (strong > PLACE_ENERGY * strong.max()) & (both > self._noise)
            if counted.any():
                least = min(least, float((shared / both.clamp_min(1e-300))[counted].min()))
        return least

    def _around(self, volume: Tensor) -> Tensor:
        weights = torch.exp(-2 * (math.pi * PLACE_PART * _radii(volume.shape[-1])) ** 2)
        around: Tensor = torch.fft.ifftn(torch.fft.fftn(volume) * weights).real
        return around
