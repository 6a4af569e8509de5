"""Central slices put back into the half space of a Fourier transform: the projector's adjoint.

``projection.interpolation`` reads a point of a slice from the eight voxels around it; here the
point is added to the same voxels with the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import frequencies_half_plane

# What torch works on in one thread, and a core's cache holds.
_POINTS_AT_ONCE = 1 << 15


class SliceSums:
    """What slices add up to in the half space x >= 0 of a padded transform.

    ``sums`` ``(3, 2 e + 1, 2 e + 1, e + 1)`` hold the real and the imaginary part of
    ``sum over images of CTF X`` and the weights ``sum CTF^2``, over z, y, x, zero frequency at
    ``[e, e, 0]``.

    Args:
        box: edge N of the images, even.
        padding: samples of the transform for each Fourier pixel of the images.
        max_radius: highest frequency entered, in Fourier pixels, at most N / 2.
        device: where the sums are kept.
        dtype: of the sums.

    """

    def __init__(
        self,
        box: int,
        *,
        padding: int = 2,
        max_radius: float | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.box, self.padding = box, padding
        self.max_radius = box / 2 if max_radius is None else min(float(max_radius), box / 2)
        # A rim to spill over to, and one more voxel to turn within.
        self.edge = math.ceil(padding * self.max_radius) + 3
        size = 2 * self.edge + 1
        self.sums = torch.zeros(3, size, size, self.edge + 1, device=device, dtype=dtype)
        kx, ky = frequencies_half_plane(box, device=device, dtype=dtype)
        # At kx = 0 the half plane holds every coefficient twice.
        once = (kx > 0) | (ky >= 0)
        squares = kx * kx + ky * ky
        inside = (squares <= self.max_radius**2) & once
        places = inside.flatten().nonzero().flatten()
        self.positions = places[squares.flatten()[places].argsort(stable=True)]
        """Places of the entered coefficients in the flattened half plane ``(p,)``, by radius."""
        self._points = padding * torch.stack(
            [axis.expand_as(squares).flatten()[self.positions] for axis in (kx, ky)]
        )
        width, plane = self.edge + 1, (self.edge + 1) * size
        self._corners = [z * plane + y * width + x for z in (0, 1) for y in (0, 1) for x in (0, 1)]

    @property
    def n_bytes(self) -> int:
        """Memory of the sums."""
        return self.sums.numel() * self.sums.element_size()

    def insert(
        self,
        rotations: Tensor,
        coefficients: Tensor,
        weights: Tensor,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add slices: coefficients ``(b, p)`` complex and weights ``(b, p)``, at ``positions``.

        They lie at ``A^T (kx, ky, 0)`` with A the ``rotations`` ``(b, 3, 3)``.  All images are
        entered ring by ring: a ring meets voxels of one shell alone, which a CPU's cache holds.
        ``should_stop`` ends this between two rings.
        """
        n = len(self.positions)
        at_once = n if rotations.is_cuda else max(1, _POINTS_AT_ONCE // len(rotations))
        for start in range(0, n, at_once):
            if should_stop():
                return
            ring = slice(start, start + at_once)
            # A^T (kx, ky, 0): the first two rows of A, weighted.
            points = rotations[:, :2].transpose(1, 2) @ self._points[:, ring]
            self._add(points, coefficients[:, ring], weights[:, ring])

    def _add(self, points: Tensor, coefficients: Tensor, weights: Tensor) -> None:
        """Spread values ``(b, q)`` over the voxels around points ``(b, 3, q)``."""
        points = points.transpose(0, 1).reshape(3, -1)
        sign = torch.where(points[0] < 0, -1.0, 1.0).to(points.dtype)
        points = points * sign
        lower = points.floor()
        upper_share = points - lower
        lower_share = 1 - upper_share
        corner = lower.to(torch.int64)
        width = self.edge + 1
        index = corner[2].add_(self.edge).mul_(2 * self.edge + 1)
        index = index.add_(corner[1]).add_(self.edge).mul_(width).add_(corner[0])
        real = coefficients.real.flatten()
        imaginary = coefficients.imag.flatten() * sign
        weight = weights.flatten()
        flat = self.sums.view(3, -1)
        offsets = iter(self._corners)
        for z in (lower_share[2], upper_share[2]):
            for y in (lower_share[1], upper_share[1]):
                zy = z * y
                for x in (lower_share[0], upper_share[0]):
                    share, where = zy * x, index + next(offsets)
                    flat[0].scatter_add_(0, where, share * real)
                    flat[1].scatter_add_(0, where, share * imaginary)
                    flat[2].scatter_add_(0, where, share * weight)

    def add(self, other: SliceSums) -> None:
        """Add the sums of other slices of the same shape."""
        self.sums += other.sums.to(self.sums.device)

    def hermitian(self) -> Tensor:
        """Return the sums with ``F(-k) = conj F(k)`` on the plane x = 0.

        A slice that crosses this plane was entered on one side of it only; its mirror belongs to
        the same voxels.
        """
        sums = self.sums.clone()
        mirrored = self.sums[..., 0].flip(1, 2)
        sums[0, ..., 0] += mirrored[0]
        sums[1, ..., 0] -= mirrored[1]
        sums[2, ..., 0] += mirrored[2]
        return sums


def half_space_to_volume(half_space: Tensor, box: int, padding: int) -> Tensor:
    """Transform a half space ``(2, 2 e + 1, 2 e + 1, e + 1)`` to the middle ``(N, N, N)``.

    The transform is that of a field ``padding * box`` wide with its centre at voxel N // 2; it is
    Hermitian, and zero from that field's Nyquist frequency on.
    """
    edge = half_space.shape[-1] - 1
    padded_box = padding * box
    reach = min(edge, padded_box // 2 - 1)
    rows = torch.arange(-reach, reach + 1, device=half_space.device)
    transform = half_space.new_zeros(
        padded_box, padded_box, padded_box // 2 + 1, dtype=_complex_of(half_space.dtype)
    )
    middle = slice(edge - reach, edge + reach + 1)
    inner = half_space[:, middle, middle, : reach + 1]
    wrapped = rows % padded_box
    transform[wrapped[:, None], wrapped[None, :], : reach + 1] = torch.complex(inner[0], inner[1])
    field: Tensor = torch.fft.fftshift(torch.fft.irfftn(transform, s=(padded_box,) * 3))
    start = padded_box // 2 - box // 2
    cut = slice(start, start + box)
    return field[cut, cut, cut].clone()


def _complex_of(dtype: torch.dtype) -> torch.dtype:
    return torch.complex128 if dtype == torch.float64 else torch.complex64
