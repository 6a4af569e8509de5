"""From what slices add up to, to a map: ``sum CTF X / (sum CTF^2 + regulariser)``."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import (
    centred_axis,
    radius_of_voxels,
    raised_cosine,
    shell_mean,
)
from napari_cryoorient.maps.insertion import SliceSums, half_space_to_volume
from napari_cryoorient.maps.symmetrise import symmetrise_sums

# Of the mean weight of a shell, added to every weight in it: voxels that hardly any image reaches
# are damped instead of blown up.
REGULARISER = 1e-3
# Width of the soft edge of the sphere that touches the box, in voxels.
EDGE_VOXELS = 3.0


def solve_map(
    sums: SliceSums, factors: Iterable[Tensor], *, regulariser: float = REGULARISER
) -> Tensor:
    """Return the map ``(N, N, N)`` that the slices are of, in the grey scale of a projected map.

    ``factors``, each ``(g, 3, 3)``, are applied to the sums one after the other.  The map is
    divided by the transform of the interpolator, and set to the mean of its surroundings outside
    the sphere that touches the box, where not every image looks.
    """
    half_space = sums.hermitian()
    if half_space.device.type == "mps":  # it lacks some complex operations
        half_space = half_space.cpu()
    for factor in factors:
        half_space = symmetrise_sums(half_space, factor)
    radius = voxel_radius(half_space)
    weights = half_space[2]
    floor = regulariser * shell_mean(weights, radius)
    inside = radius < sums.padding * sums.max_radius
    # A shell that no image reaches holds nothing to divide.
    divisor = weights + floor[radius.round().long()]
    known = inside & (divisor > 0)
    values = torch.where(known, half_space[:2] / torch.where(known, divisor, 1.0), 0.0)
    volume = half_space_to_volume(values, sums.box, sums.padding)
    return within_sphere(divide_by_trilinear(volume, sums.padding))


def voxel_radius(half_space: Tensor) -> Tensor:
    """Return the radius ``(2 e + 1, 2 e + 1, e + 1)`` of a half space, in its voxels."""
    edge = half_space.shape[-1] - 1
    axis = torch.arange(-edge, edge + 1, device=half_space.device, dtype=half_space.dtype)
    squares = axis * axis
    return torch.sqrt(squares[:, None, None] + squares[:, None] + squares[edge:])


def divide_by_trilinear(volume: Tensor, padding: int) -> Tensor:
    """Divide a map by the transform of linear interpolation along each axis.

    That is ``sinc^2(x / (padding N))`` and the same in y and z: each slice was spread over voxels
    by it.
    """
    box = volume.shape[-1]
    axis = centred_axis(box, device=volume.device, dtype=volume.dtype)
    falloff = torch.sinc(axis / (padding * box)).square()
    return volume / (falloff[:, None, None] * falloff[:, None] * falloff)


def within_sphere(volume: Tensor) -> Tensor:
    """Replace what is outside the sphere touching the box by its mean, with a soft edge."""
    box = volume.shape[-1]
    radius = radius_of_voxels(box, device=volume.device, dtype=volume.dtype)
    inner = raised_cosine(radius, box / 2 - EDGE_VOXELS / 2, EDGE_VOXELS)
    outside = 1 - inner
    background = (volume * outside).sum() / outside.sum()
    return volume * inner + background * outside
