"""A point group applied to what slices add up to.

Entering an image at every equivalent pose ``A G^T`` and adding up the turned sums is the same
wherever the group turns the grid onto itself, and the sums are turned once, not for each image. The
group is split into such a part and representatives of its cosets. Sums turned by these are
interpolated, as RELION does; or images are entered at these poses, which is exact and slower.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_cryoorient.io.room import Room
from napari_cryoorient.projection.interpolation import interpolate_half_space

_GRID_TOLERANCE = 1e-6
_POINTS_AT_ONCE = 1 << 18


def split_by_grid(group: Tensor) -> tuple[Tensor, Tensor]:
    """Split a group ``(g, 3, 3)`` into coset representatives and the part that keeps the grid.

    Returns ``(c, 3, 3)`` and ``(h, 3, 3)``, g = c h, the identity first in both: every element of
    the group is one of the second times one of the first.
    """
    keeps = ((group - group.round()).abs() < _GRID_TOLERANCE).all(dim=-1).all(dim=-1)
    subgroup = group[keeps]
    left = list(group)
    representatives: list[Tensor] = []
    while left:
        chosen = left[0]
        representatives.append(chosen)
        coset = subgroup @ chosen
        left = [
            element
            for element in left
            if float((coset - element).abs().amax(dim=(-2, -1)).min()) > _GRID_TOLERANCE
        ]
    return torch.stack(representatives), subgroup


def symmetrise_sums(sums: Tensor, group: Tensor, room: Room | None = None) -> Tensor:
    """Add up sums ``(3, 2 e + 1, 2 e + 1, e + 1)`` turned by every element of ``group``.

    The first element is the identity.  The sums are Hermitian at x = 0.  Exact where the group
    keeps the grid; interpolated linearly otherwise.  ``room`` has room for the result.
    """
    if len(group) == 1:
        return sums
    edge = sums.shape[-1] - 1
    axis = torch.arange(-edge, edge + 1, device=sums.device)
    plane = (2 * edge + 1) * (edge + 1)
    room = room or Room()
    whole = room.zeros(tuple(sums.shape), sums)
    total = whole.view(3, -1)
    weights = sums[2].expand(2, -1, -1, -1)  # interpolated as pairs
    for planes in torch.split(axis, max(1, _POINTS_AT_ONCE // plane)):
        z, y, x = torch.meshgrid(planes, axis, axis[edge:], indexing="ij")
        these = slice(int(planes[0]) + edge, int(planes[-1]) + edge + 1)
        whole[:, these] = sums[:, these]
        inside = x * x + y * y + z * z <= (edge - 1) ** 2  # the rim is empty
        places = inside.flatten().nonzero().flatten() + (int(planes[0]) + edge) * plane
        points = torch.stack([x[inside], y[inside], z[inside]]).to(sums.dtype)
        for element in group[1:]:
            # Voxel k takes what G puts there: the value at G^T k.
            turned = (element.to(sums).T @ points)[None]
            values = interpolate_half_space(sums[:2], turned)[0]
            total[0, places] += values.real
            total[1, places] += values.imag
            total[2, places] += interpolate_half_space(weights, turned)[0].real
        room.let_go()
    return whole
