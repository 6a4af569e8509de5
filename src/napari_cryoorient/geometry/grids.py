"""Near-uniform grids of viewing directions and of rotations, whole or one asymmetric unit.

The viewing direction of a pose A is its third row, ``(sin tilt cos rot, sin tilt sin rot,
cos tilt)``.  The pose ``A G^T`` of a symmetric map looks along ``G v``: one asymmetric unit of
directions, each with every in-plane angle, holds each image once.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# A direction far from the axes of every group: the unit holds what lies nearer to it than to
# its equivalents.
_UNIT_CENTRE = (0.7638, 0.2140, 0.6090)
# A direction on the very edge of the unit is in it on every machine.
_ROUNDING = 1e-9


def directions_to_matrices(directions: Tensor, psi_deg: Tensor | float = 0.0) -> Tensor:
    """Return poses A ``(..., 3, 3)`` looking along unit directions ``(..., 3)``, turned by psi."""
    x, y, z = directions.unbind(-1)
    rot = torch.atan2(y, x)
    sin_tilt, cos_tilt = torch.hypot(x, y), z
    psi = torch.deg2rad(torch.as_tensor(psi_deg, dtype=x.dtype, device=x.device)).expand_as(x)
    cr, sr, cp, sp = rot.cos(), rot.sin(), psi.cos(), psi.sin()
    elements = [
        cp * cos_tilt * cr - sp * sr, cp * cos_tilt * sr + sp * cr, -cp * sin_tilt,
        -sp * cos_tilt * cr - cp * sr, -sp * cos_tilt * sr + cp * cr, sp * sin_tilt,
        sin_tilt * cr, sin_tilt * sr, cos_tilt,
    ]  # fmt: skip
    return torch.stack(elements, dim=-1).reshape(*directions.shape[:-1], 3, 3)


def view_directions(
    spacing_deg: float, group: Tensor | None = None, *, with_rim: bool = True
) -> Tensor:
    """Return unit vectors ``(v, 3)``, float64, about ``spacing_deg`` apart on a Fibonacci spiral.

    Each stands for a square of that side: 41253 / spacing^2 of them on the whole sphere.  With a
    group ``(g, 3, 3)``, its identity first, one asymmetric unit is kept.  A rim of half a spacing
    around it gives every direction an equivalent as near a grid point as without the group; without
    the rim the number of views is the sphere's over g, and each stands for its own square alone.
    """
    spacing = math.radians(spacing_deg)
    n = max(2, math.ceil(4 * math.pi / spacing**2))
    step = torch.arange(n, dtype=torch.float64)
    z = 1 - (2 * step + 1) / n
    rot = step * (math.pi * (3 - math.sqrt(5)))
    radius = torch.sqrt(1 - z * z)
    directions = torch.stack([radius * rot.cos(), radius * rot.sin(), z], dim=-1)
    if group is None or len(group) == 1:
        return directions
    limit = math.sin(spacing / 2) if with_rim else 0.0
    return directions[_beyond_unit(directions, group) <= limit + _ROUNDING]


def is_in_asymmetric_unit(directions: Tensor, group: Tensor) -> Tensor:
    """Tell which unit vectors ``(v, 3)`` lie in the asymmetric unit of ``group``, rim left out."""
    return _beyond_unit(directions, group) <= _ROUNDING


def _beyond_unit(directions: Tensor, group: Tensor) -> Tensor:
    """Return how far ``(v,)`` directions lie beyond the asymmetric unit; negative within."""
    if len(group) == 1:
        return torch.full_like(directions[:, 0], -1.0)
    centre = torch.tensor(_UNIT_CENTRE, dtype=torch.float64)
    centre = centre / centre.norm()
    equivalents = group[1:].to(centre) @ centre
    # The unit is bounded by the planes half way between its centre and the equivalents.
    normals = torch.nn.functional.normalize(equivalents - centre, dim=-1)
    return (directions @ normals.t()).amax(dim=1)


def rotation_grid(spacing_deg: float, group: Tensor | None = None) -> Tensor:
    """Return poses ``(v, k, 3, 3)``, float64: v viewing directions, each at k in-plane angles.

    Both are about ``spacing_deg`` apart; with a group, as in ``view_directions``.
    """
    directions = view_directions(spacing_deg, group)
    k = math.ceil(360 / spacing_deg)
    psi_deg = torch.arange(k, dtype=torch.float64) * (360 / k)
    return directions_to_matrices(directions[:, None].expand(-1, k, -1), psi_deg)
