"""Differentiable projections of a map: central slices of its padded Fourier transform.

``F2D(k) = F3D(A^T [kx, ky, 0])`` with RELION's matrix A (docs/conventions.md).  As relion_project
does, the map is divided by the transform of the linear interpolator before a padding by two, the
slice is interpolated linearly, and frequencies beyond ``max_radius`` are zero.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from napari_cryoorient.geometry.fourier_grids import frequencies_half_plane, radius_of_voxels
from napari_cryoorient.projection.interpolation import interpolate_half_space
from napari_cryoorient.projection.resample import (
    SLAB_NUMBERS,
    fourier_shift,
    fourier_to_images,
)
from napari_cryoorient.projection.shapes import Rotations, Values, Volume

# Planes that are transformed together: fewer use a part of each line of a CPU's cache alone.
_FEWEST_PLANES = 16


def divide_by_interpolator(volume: Volume, padding: int) -> Volume:
    """Divide a map ``(N, N, N)`` by sinc^2(r / (padding N)), the transform of the interpolator.

    RELION uses the radial form; the exact one is a product over the axes.
    """
    box = volume.shape[-1]
    radius = radius_of_voxels(box, device=volume.device, dtype=volume.dtype)
    return volume / torch.sinc(radius / (padding * box)).square()


def padded_half_transform(
    volume: Volume, padding: int, radius: int
) -> Annotated[Tensor, "2 2*radius+3 2*radius+3 radius+2"]:
    """Transform a map ``(N, N, N)`` to the half space x >= 0 within ``radius`` padded pixels.

    Returns ``(2, 2 r + 3, 2 r + 3, r + 2)``, real and imaginary part over z, y, x, with r =
    ``radius``: zero frequency at ``[r + 1, r + 1, 0]``, a rim of zeros, phases about ``N // 2``.
    """
    box = volume.shape[-1]
    padded_box = padding * box
    edge = radius + 1
    axis = torch.arange(-edge, edge + 1, device=volume.device)
    half_axis = axis[edge:]
    rows = axis % padded_box
    columns = half_axis.clamp_max(padded_box // 2)
    squares = axis * axis
    # The padded map and its transform are never whole in memory, and lines of zeros are not
    # transformed: x first, and then some planes of x at a time.
    along_x = torch.fft.rfft(
        _padded_about_zero(divide_by_interpolator(volume, padding), 2, padding)
    )
    n = max(_FEWEST_PLANES, SLAB_NUMBERS // (padded_box * len(axis)))
    result = volume.new_zeros(2, len(axis), len(axis), len(half_axis))
    for x in range(0, len(half_axis), n):
        slab = along_x[..., columns[x : x + n]]
        slab = torch.fft.fft(_padded_about_zero(slab, 1, padding), dim=1)[:, rows]
        slab = torch.fft.fft(_padded_about_zero(slab, 0, padding), dim=0)[rows]
        # False on the whole rim, where the indices above wrap around.
        rest = radius * radius - half_axis[x : x + n] ** 2
        slab = slab.masked_fill(squares[:, None, None] + squares[:, None] > rest, 0.0)
        result[0, ..., x : x + n] = slab.real
        result[1, ..., x : x + n] = slab.imag
    return result


def _padded_about_zero(values: Tensor, dim: int, padding: int) -> Tensor:
    """Pad an axis with zeros to ``padding`` times its length, its centre moved to index 0."""
    n = values.shape[dim]
    zeros = torch.zeros_like(values.narrow(dim, 0, 1)).expand(
        *values.shape[:dim], (padding - 1) * n, *values.shape[dim + 1 :]
    )
    first, second = values.narrow(dim, n // 2, n - n // 2), values.narrow(dim, 0, n // 2)
    return torch.cat([first, zeros, second], dim)


class Projector(torch.nn.Module):
    """Project one map at many poses; the transform of the map is made once and kept.

    Gradients flow to rotations and shifts, and to the map when it requires them (its transform is
    then made again in every call).  Pixel values are plain sums of voxels along the line.

    Args:
        volume: the map ``(N, N, N)``, zyx, N even.
        pixel_size_angstrom: voxel size of the map.
        padding: factor of zero padding before the transform.
        box: edge of the images, even; a smaller one than N gives Fourier-cropped images of larger
            pixels over the same field of view.  Default N.
        max_radius: highest frequency computed, in Fourier pixels; the cost falls with its square.
            Default (and upper bound) Nyquist of the coarser of map and images.  The few
            frequencies at exactly Nyquist are in here; in relion_project rounding decides.

    """

    transform: Tensor
    frequencies: Tensor
    positions: Tensor
    _padded_frequencies: Tensor

    def __init__(
        self,
        volume: Tensor,
        *,
        pixel_size_angstrom: float = 1.0,
        padding: int = 2,
        box: int | None = None,
        max_radius: float | None = None,
    ) -> None:
        super().__init__()
        n = int(volume.shape[-1])
        self.box = n if box is None else int(box)
        if volume.shape != (n, n, n) or n % 2 or self.box % 2:
            raise ValueError(
                f"a cubic map and an even box are needed, not {tuple(volume.shape)} and {self.box}"
            )
        self.padding = padding
        self.pixel_size_angstrom = pixel_size_angstrom * n / self.box
        nyquist = min(n, self.box) / 2
        self.max_radius = nyquist if max_radius is None else min(float(max_radius), nyquist)
        self._scale = (self.box / n) ** 2

        kx, ky = frequencies_half_plane(self.box, dtype=torch.float64)
        inside = kx * kx + ky * ky <= self.max_radius**2
        plane = torch.stack([kx.expand(self.box, -1)[inside], ky.expand_as(inside)[inside]], dim=-1)
        plane = plane.to(volume.dtype).to(volume.device)
        positions = inside.flatten().nonzero().flatten().to(volume.device)
        self.register_buffer("frequencies", plane, persistent=False)
        self.register_buffer(
            "_padded_frequencies", padding * self.frequencies.t().contiguous(), persistent=False
        )
        self.register_buffer("positions", positions, persistent=False)

        self._volume = volume if volume.requires_grad else None
        # Two more than the outermost point needs; never beyond the map's own Nyquist frequency.
        self._radius = min(round(padding * n / 2), math.ceil(padding * self.max_radius) + 2)
        with torch.no_grad():
            transform = padded_half_transform(volume.detach(), padding, self._radius)
        self.register_buffer("transform", transform, persistent=False)

    def coefficients(self, rotations: Rotations) -> Values:
        """Return the slice ``(b, p)`` at the p frequencies up to ``max_radius``.

        ``frequencies`` ``(p, 2)`` are their (kx, ky) in Fourier pixels and ``positions`` ``(p,)``
        their places in the flattened half plane.
        """
        transform = (
            self.transform
            if self._volume is None
            else padded_half_transform(self._volume, self.padding, self._radius)
        )
        # A^T [kx, ky, 0]: the first two rows of A, weighted.
        points = rotations[:, :2].transpose(1, 2) @ self._padded_frequencies
        return interpolate_half_space(transform, points) * self._scale

    def fourier(self, rotations: Rotations) -> Annotated[Tensor, "b n n//2+1"]:
        """Return slices ``(b, box, box // 2 + 1)``, zero frequency first.

        The phases are about the centre pixel: ``fourier_to_images`` makes images of them.
        """
        coefficients = self.coefficients(rotations)
        half = self.box // 2 + 1
        empty = coefficients.new_zeros(len(rotations), self.box * half)
        plane = empty.index_copy(1, self.positions, coefficients)
        return plane.view(-1, self.box, half)

    def forward(
        self,
        rotations: Rotations,
        shifts_angstrom: Annotated[Tensor, "#b 2"] | None = None,
        ctf: Annotated[Tensor, "#b n n//2+1"] | None = None,
    ) -> Annotated[Tensor, "b n n"]:
        """Project at rotations ``(b, 3, 3)`` and shifts ``(b, 2)``: images ``(b, box, box)``.

        ``ctf`` is a half plane ``(b, box, box // 2 + 1)`` of ``ctf_half_plane``.
        """
        slices = self.fourier(rotations)
        if shifts_angstrom is not None:
            slices = fourier_shift(slices, shifts_angstrom / self.pixel_size_angstrom)
        if ctf is not None:
            slices = slices * ctf
        return fourier_to_images(slices)
