"""Rotational point groups as tensors, and distances of poses under them.

A group is a tensor ``(g, 3, 3)`` of rotations G of the map (``geometry.point_groups`` says about
which axes); the poses ``A G^T`` of a symmetric map give the same image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_cryoorient.geometry.point_groups import point_group
from napari_cryoorient.geometry.rotations import angular_distance_deg


def symmetry_matrices(name: str) -> Tensor:
    """Return the rotations ``(g, 3, 3)`` of a point group, float64, the identity first.

    Raises InputError as ``point_group``.
    """
    return torch.from_numpy(point_group(name))


def _nearest_element(a: Tensor, b: Tensor, group: Tensor) -> Tensor:
    """Return, for each pair, the index of the element G that brings ``b G^T`` nearest to ``a``."""
    # tr(a^T b G^T) for every G: one matrix product.
    relative = a.transpose(-2, -1) @ b
    traces = relative.flatten(-2) @ group.to(relative).flatten(-2).transpose(-2, -1)
    return traces.argmax(dim=-1)


def nearest_equivalent(a: Tensor, b: Tensor, group: Tensor) -> Tensor:
    """Return the equivalent ``a G^T`` ``(..., 3, 3)`` of each rotation a that lies nearest to b."""
    group = group.to(a)
    return a @ group[_nearest_element(b, a, group)].transpose(-2, -1)


def symmetric_distance_deg(a: Tensor, b: Tensor, group: Tensor) -> Tensor:
    """Angle in degrees between poses ``(..., 3, 3)``, the smallest over the group ``(g, 3, 3)``."""
    return angular_distance_deg(a, nearest_equivalent(b, a, group))
