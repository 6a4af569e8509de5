"""From what slices add up to, to a map: ``sum CTF X / (sum CTF^2 + regulariser)``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import centred_axis, raised_cosine
from napari_cryoorient.io.room import Room
from napari_cryoorient.maps.insertion import half_space_to_volume
from napari_cryoorient.maps.stored_sums import Sums
from napari_cryoorient.maps.symmetrise import symmetrise_sums
from napari_cryoorient.projection.resample import SLAB_NUMBERS

# Of the mean weight of a shell, added to every weight in it: voxels that hardly any image reaches
# are damped instead of blown up.
REGULARISER = 1e-3
# Width of the soft edge of the sphere that touches the box, in voxels.
EDGE_VOXELS = 3.0


def solve_map(
    sums: Sums,
    factors: Iterable[Tensor],
    *,
    regulariser: float = REGULARISER,
    room: Room | None = None,
) -> Tensor:
    """Return the map ``(N, N, N)`` that the slices are of, in the grey scale of a projected map.

    ``factors``, each ``(g, 3, 3)``, are applied to the sums one after the other.  The map is
    divided by the transform of the interpolator, and set to the mean of its surroundings outside
    the sphere that touches the box, where not every image looks.  ``room`` has room for sums
    that are turned.
    """
    turned: Tensor | None = None
    room = room or Room()
    for factor in factors:
        if len(factor) > 1:
            turned = _whole(sums, room) if turned is None else turned
            turned = symmetrise_sums(turned, factor, room)

    def rows_of(rows: slice) -> Tensor:
        if turned is None:
            return _on_cpu(sums.hermitian(rows))
        some = turned[:, :, rows].clone()
        room.let_go()
        return some

    floor = regulariser * _shell_weights(rows_of, sums.edge)
    highest = sums.padding * sums.max_radius

    def values_of(rows: slice) -> Tensor:
        half_space = rows_of(rows)
        radius = _voxel_radius(half_space, sums.edge, rows)
        # A shell that no image reaches holds nothing to divide.
        divisor = half_space[2] + floor[radius.round().long()]
        known = (radius < highest) & (divisor > 0)
        values = torch.where(known, half_space[:2] / torch.where(known, divisor, 1.0), 0.0)
        return torch.complex(values[0], values[1])

    volume = half_space_to_volume(values_of, sums.edge, sums.box, sums.padding)
    return within_sphere(divide_by_trilinear(volume, sums.padding))


def _whole(sums: Sums, room: Room) -> Tensor:
    """Return all of the Hermitian sums."""
    if not room.is_on_disk:
        return _on_cpu(sums.hermitian())
    size, width = 2 * sums.edge + 1, sums.edge + 1
    whole = room.zeros((3, size, size, width), torch.zeros(0))
    for rows in _slabs(sums.edge):
        whole[:, :, rows] = sums.hermitian(rows).cpu()
        room.let_go()
    return whole


def _slabs(edge: int) -> Iterator[slice]:
    """Yield rows of a half space that are worked on at a time."""
    n, size = max(1, SLAB_NUMBERS // ((2 * edge + 1) * (edge + 1))), 2 * edge + 1
    for start in range(0, size, n):
        yield slice(start, min(start + n, size))


def _on_cpu(half_space: Tensor) -> Tensor:
    """Leave Metal, which lacks some complex operations."""
    return half_space.cpu() if half_space.device.type == "mps" else half_space


def _shell_weights(rows_of: Callable[[slice], Tensor], edge: int) -> Tensor:
    """Return the mean weight of each shell ``(r,)``, rows of the half space at a time."""
    n_shells = math.ceil(math.sqrt(3) * edge) + 1
    totals, counts = torch.zeros(2, n_shells, dtype=torch.float64)
    for rows in _slabs(edge):
        half_space = rows_of(rows)
        shell = _voxel_radius(half_space, edge, rows).round().long().flatten().cpu()
        weights = half_space[2].flatten().cpu().double()
        totals += torch.bincount(shell, weights, n_shells)
        counts += torch.bincount(shell, minlength=n_shells)
    means: Tensor = (totals / counts.clamp_min(1)).to(half_space)
    return means


def _voxel_radius(like: Tensor, edge: int, rows: slice) -> Tensor:
    """Return the radius ``(2 e + 1, r, e + 1)`` of rows of a half space, in its voxels."""
    axis = torch.arange(-edge, edge + 1, device=like.device, dtype=like.dtype)
    squares = axis * axis
    return torch.sqrt(squares[:, None, None] + squares[rows, None] + squares[edge:])


def divide_by_trilinear(volume: Tensor, padding: int) -> Tensor:
    """Divide a map by the transform of linear interpolation along each axis.

    That is ``sinc^2(x / (padding N))`` and the same in y and z: each slice was spread over voxels
    by it.
    """
    box = volume.shape[-1]
    axis = centred_axis(box, device=volume.device, dtype=volume.dtype)
    falloff = torch.sinc(axis / (padding * box)).square()
    divided = torch.empty_like(volume)
    n = max(1, SLAB_NUMBERS // box**2)
    for start in range(0, box, n):
        planes = slice(start, start + n)
        divisor = falloff[planes, None, None] * falloff[:, None] * falloff
        torch.div(volume[planes], divisor, out=divided[planes])
    return divided


def within_sphere(volume: Tensor) -> Tensor:
    """Replace what is outside the sphere touching the box by its mean, with a soft edge."""
    box = volume.shape[-1]
    squares = centred_axis(box, device=volume.device, dtype=volume.dtype).square()
    n = max(1, SLAB_NUMBERS // box**2)

    def inner_of(planes: slice) -> Tensor:
        radius = torch.sqrt(squares[planes, None, None] + squares[:, None] + squares)
        return raised_cosine(radius, box / 2 - EDGE_VOXELS / 2, EDGE_VOXELS)

    slabs = [slice(start, start + n) for start in range(0, box, n)]
    outside, there = volume.new_zeros(2)
    for planes in slabs:
        outer = 1 - inner_of(planes)
        outside += outer.sum()
        there += (volume[planes] * outer).sum()
    background = there / outside
    result = torch.empty_like(volume)
    for planes in slabs:
        inner = inner_of(planes)
        result[planes] = volume[planes] * inner + background * (1 - inner)
    return result
