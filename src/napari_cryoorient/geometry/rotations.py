"""Rotations as matrices A, map frame to image frame, and the other ways of writing them.

A point ``p`` (x, y, z) of the map lands at ``(A p)_xy`` in the image.  With RELION's angles
``A = (Rz(rot) Ry(tilt) Rz(psi))^T``.  Quaternions and rotation vectors are those of A, quaternions
scalar first.  Tensors keep their device and dtype; every function takes leading batch dimensions
and is differentiable, except where its docstring says otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_cryoorient.geometry.euler import euler_zyz_deg_to_matrix, matrix_to_euler_zyz_deg

__all__ = [
    "angular_distance_deg",
    "euler_zyz_deg_to_matrix",
    "matrix_to_euler_zyz_deg",
    "matrix_to_quaternion",
    "matrix_to_rotation_vector",
    "nearest_rotation",
    "quaternion_to_matrix",
    "random_rotations",
    "rotation_vector_to_matrix",
    "six_d_to_matrix",
    "turn_in_plane",
]


def quaternion_to_matrix(quaternions: Tensor) -> Tensor:
    """Turn quaternions ``(..., 4)``, scalar first and of any length but 0, into ``(..., 3, 3)``."""
    w, x, y, z = torch.nn.functional.normalize(quaternions, dim=-1).unbind(-1)
    elements = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(elements, dim=-1).reshape(*quaternions.shape[:-1], 3, 3)


def matrix_to_quaternion(rotations: Tensor) -> Tensor:
    """Turn rotations ``(..., 3, 3)`` into unit quaternions ``(..., 4)``, scalar first and >= 0."""
    m = rotations
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    # 4 q q^T, row by row: any row is a multiple of q, the one with the largest diagonal is safe.
    outer = torch.stack(
        [
            1 + trace, m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0],
            m[..., 1, 0] - m[..., 0, 1],
            m[..., 2, 1] - m[..., 1, 2], 1 + 2 * m[..., 0, 0] - trace,
            m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0],
            m[..., 0, 2] - m[..., 2, 0], m[..., 0, 1] + m[..., 1, 0],
            1 + 2 * m[..., 1, 1] - trace, m[..., 1, 2] + m[..., 2, 1],
            m[..., 1, 0] - m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0],
            m[..., 1, 2] + m[..., 2, 1], 1 + 2 * m[..., 2, 2] - trace,
        ],
        dim=-1,
    ).reshape(*m.shape[:-2], 4, 4)  # fmt: skip
    largest = outer.diagonal(dim1=-2, dim2=-1).argmax(dim=-1)
    index = largest[..., None, None].expand(*largest.shape, 1, 4)
    quaternions = torch.nn.functional.normalize(outer.gather(-2, index).squeeze(-2), dim=-1)
    upper: Tensor = torch.where(quaternions[..., :1] < 0, -quaternions, quaternions)
    return upper


def rotation_vector_to_matrix(vectors: Tensor) -> Tensor:
    """Turn rotation vectors ``(..., 3)`` in radians into matrices ``(..., 3, 3)`` (Rodrigues).

    The paper's eq. 7: ``R = 1 + sin(r) [v]x + (1 - cos(r)) [v]x^2``, v the unit axis.  Smooth at 0.
    """
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1)
    cross = cross.reshape(*vectors.shape[:-1], 3, 3)
    squared = (vectors * vectors).sum(-1)[..., None, None]
    tiny = squared < 1e-6
    safe = torch.where(tiny, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    sine = torch.where(tiny, 1 - squared / 6, angle.sin() / angle)
    versine = torch.where(tiny, 0.5 - squared / 24, 2 * (angle / 2).sin() ** 2 / safe)
    identity = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    return identity + sine * cross + versine * (cross @ cross)


def matrix_to_rotation_vector(rotations: Tensor) -> Tensor:
    """Turn rotations ``(..., 3, 3)`` into rotation vectors ``(..., 3)``, at most pi long."""
    quaternions = matrix_to_quaternion(rotations)
    scalar, vector = quaternions[..., :1], quaternions[..., 1:]
    sine = vector.norm(dim=-1, keepdim=True)
    tiny = sine < 1e-7
    safe = torch.where(tiny, torch.ones_like(sine), sine)
    ratio = torch.where(tiny, 2 / scalar.clamp_min(0.5), 2 * torch.atan2(sine, scalar) / safe)
    return ratio * vector


def six_d_to_matrix(six: Tensor) -> Tensor:
    """Turn ``(..., 6)``, two vectors, into ``(..., 3, 3)`` whose first columns span the same plane.

    Gram-Schmidt (Zhou et al. 2019): the first vector is the first column up to its length.
    """
    first = torch.nn.functional.normalize(six[..., :3], dim=-1)
    second = six[..., 3:] - (first * six[..., 3:]).sum(-1, keepdim=True) * first
    second = torch.nn.functional.normalize(second, dim=-1)
    third = torch.linalg.cross(first, second)
    return torch.stack([first, second, third], dim=-1)


def nearest_rotation(matrices: Tensor) -> Tensor:
    """Return the rotations ``(..., 3, 3)`` with the least squared difference from ``matrices``.

    ``U diag(1, 1, det(U V^T)) V^T`` of the singular values' ``U S V^T`` (Schoenemann 1966).  Its
    gradient is not defined where singular values meet.
    """
    # The least singular values of a mean of rotations differ by little; MPS knows no float64.
    wide = matrices if matrices.device.type == "mps" else matrices.double()
    left, _, right = torch.linalg.svd(wide)
    sign = torch.linalg.det(left @ right)[..., None, None]
    nearest: Tensor = torch.cat([left[..., :2], left[..., 2:] * sign], dim=-1) @ right
    return nearest.to(matrices.dtype)


def turn_in_plane(angles: Tensor) -> Tensor:
    """Return Rz ``(..., 3, 3)``, which turns image content from x to y by ``angles`` (radians)."""
    c, s, zero, one = angles.cos(), angles.sin(), torch.zeros_like(angles), torch.ones_like(angles)
    rows = [c, -s, zero, s, c, zero, zero, zero, one]
    return torch.stack(rows, dim=-1).reshape(*angles.shape, 3, 3)


def widest_dtype(device: torch.device) -> torch.dtype:
    """Return float64, or what a device has that lacks it."""
    return torch.float32 if device.type == "mps" else torch.float64


def random_rotations(
    n: int, generator: torch.Generator | None = None, *, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draw ``(n, 3, 3)`` rotations uniformly on SO(3), on the generator's device.

    Drawn in float64 and rounded, so that a seed gives the same rotations in every dtype; in float32
    on MPS, which has no other.
    """
    device = torch.device("cpu") if generator is None else generator.device
    wide = widest_dtype(device)
    normal = torch.randn(n, 4, generator=generator, dtype=wide, device=device)
    return quaternion_to_matrix(normal).to(dtype)


def angular_distance_deg(a: Tensor, b: Tensor) -> Tensor:
    """Angle in degrees between rotations ``(..., 3, 3)``, accurate for the smallest angles too.

    Its gradient is not defined at 0 and 180: a measure, not a loss.
    """
    half_sine = (a - b).square().sum((-2, -1)) / 8
    half_cosine = (1 + (a * b).sum((-2, -1))) / 4
    return torch.rad2deg(2 * torch.atan2(half_sine.sqrt(), half_cosine.clamp_min(0).sqrt()))
