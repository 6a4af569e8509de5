"""A half space of a Fourier transform laid out for reading: one gather brings a complex number.

Interpolation is that of ``projection.interpolation``; results hold real and imaginary parts side by
side, ``(..., p, 2)`` flattened to ``(..., 2 p)``, as ``torch.view_as_real`` has them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_cryoorient.projection.interpolation import (
    interpolate_half_space,
    interpolate_with_gradient,
)


class PackedHalfSpace:
    """Reads a half space ``(2, 2 e + 1, 2 e + 1, e + 1)``; nothing is recorded for autograd."""

    def __init__(self, transform: Tensor) -> None:
        self._edge = transform.shape[-1] - 1
        self._transform = transform
        self._pairs: Tensor | None = None
        if transform.device.type == "cpu":
            pairs = transform.permute(1, 2, 3, 0).contiguous()
            # A real and an imaginary part are moved as one number of twice the width.
            self._pairs = pairs.view(torch.float64).flatten()

    def at(self, points: Tensor) -> Tensor:
        """Interpolate at points ``(b, 3, p)``: complex ``(b, p)``."""
        if self._pairs is None:
            return interpolate_half_space(self._transform, points)
        value, _ = self._gathered(self._pairs, points)
        return torch.view_as_complex(value.view(len(value), -1, 2))

    def at_with_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return values ``(b, 2 p)`` and their derivatives by the points ``(b, 3, 2 p)``."""
        if self._pairs is not None:
            value, gradient = self._gathered(self._pairs, points, with_gradient=True)
            return value, gradient
        values, real, imaginary = interpolate_with_gradient(self._transform, points)
        gradient = torch.stack([real, imaginary], dim=-1).flatten(2)
        return torch.view_as_real(values).flatten(1), gradient

    def _gathered(
        self, pairs: Tensor, points: Tensor, *, with_gradient: bool = False
    ) -> tuple[Tensor, Tensor]:
        edge = self._edge
        width, plane = edge + 1, (edge + 1) * (2 * edge + 1)
        batch, _, n = points.shape
        sign = torch.where(points[:, :1] < 0, -1.0, 1.0)
        # (3, b p): x, y, z of points brought to x >= 0.
        folded = (points * sign).transpose(0, 1).reshape(3, -1)
        lower = folded.floor()
        x0, y0, z0 = lower.int().unbind(0)
        part = (folded - lower).repeat_interleave(2, dim=1)
        fx, fy, fz = part.unbind(0)
        corner = (z0 + edge) * plane + (y0 + edge) * width + x0
        # A pose that is not finite must give images that are not finite, not a failing gather.
        corner = corner.clamp(0, len(pairs) - plane - width - 2)
        offsets = torch.tensor(
            [0, plane, width, plane + width, 1, plane + 1, width + 1, plane + width + 1],
            dtype=corner.dtype,
        )
        found = pairs.index_select(0, (offsets[:, None] + corner).flatten())
        cube = found.view(torch.float32).view(2, 2, 2, -1)  # x, y, z
        along_x = torch.lerp(cube[0], cube[1], fx)
        along_xy = torch.lerp(along_x[0], along_x[1], fy)
        # The other half is the conjugate.
        flip = torch.stack([torch.ones_like(sign), sign], dim=-1).flatten(1)
        value = torch.lerp(along_xy[0], along_xy[1], fz).view(batch, 2 * n) * flip
        if not with_gradient:
            return value, value[:0]
        step_x = cube[1] - cube[0]
        step_x = torch.lerp(step_x[0], step_x[1], fy)
        step_y = along_x[1] - along_x[0]
        gradient = torch.stack(
            [
                torch.lerp(step_x[0], step_x[1], fz),
                torch.lerp(step_y[0], step_y[1], fz),
                along_xy[1] - along_xy[0],
            ]
        ).view(3, batch, 2 * n)
        # By the point as it was: the sign once more.
        gradient = gradient * torch.stack([sign, torch.ones_like(sign)], dim=-1).flatten(1)
        return value, gradient.transpose(0, 1)
