"""Central slices put back into the half space of a Fourier transform: the projector's adjoint.

``projection.interpolation`` reads a point of a slice from the eight voxels around it; here the
point is added to the same voxels with the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from napari_cryoorient.device import in_halves
from napari_cryoorient.geometry.fourier_grids import frequencies_half_plane
from napari_cryoorient.projection.resample import SLAB_NUMBERS

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
        in_order: add to each voxel in a fixed order, so that the same slices give the same sums to
            the last bit.  A CPU does so in any case; on CUDA it takes a sort, and is done by
            default where torch is held to it (``torch.use_deterministic_algorithms``).

    """

    def __init__(
        self,
        box: int,
        *,
        padding: int = 2,
        max_radius: float | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        in_order: bool | None = None,
    ) -> None:
        self.box, self.padding = box, padding
        self.max_radius = box / 2 if max_radius is None else min(float(max_radius), box / 2)
        shape = shape_of_sums(box, padding=padding, max_radius=max_radius)
        self.edge, size = shape[3] - 1, shape[2]
        self.sums = torch.zeros(shape, device=device, dtype=dtype)
        is_held = self.sums.is_cuda and torch.are_deterministic_algorithms_enabled()
        self._in_order = is_held if in_order is None else in_order
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
            in_halves(
                lambda ring: self._add(
                    # A^T (kx, ky, 0): the first two rows of A, weighted.
                    rotations[:, :2].transpose(1, 2) @ self._points[:, ring],
                    coefficients[:, ring],
                    weights[:, ring],
                ),
                slice(start, min(start + at_once, n)),
                rotations.device,
            )

    def _add(self, points: Tensor, coefficients: Tensor, weights: Tensor) -> None:
        """Spread values ``(b, q)`` over the voxels around points ``(b, 3, q)``.

        All memory is taken before the first voxel changes: where it runs out, nothing was added.
        """
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
        shares, product = _shares_of_corners(lower_share, upper_share), torch.empty_like(weight)
        if self._in_order:
            values = torch.stack([real, imaginary, weight])
            places = torch.cat([index + offset for offset in self._corners])
            add_in_order(flat, places, torch.cat([values * each for each in shares], dim=1))
            return
        where = torch.empty_like(index)
        for offset, each in zip(self._corners, shares, strict=True):
            torch.add(index, offset, out=where)
            for sums, added in zip(flat, (real, imaginary, weight), strict=True):
                sums.scatter_add_(0, where, torch.mul(each, added, out=product))

    def add(self, other: SliceSums) -> None:
        """Add the sums of other slices of the same shape."""
        self.sums += other.sums.to(self.sums.device)

    def hermitian(self, rows: slice = slice(None)) -> Tensor:
        """Return the sums, of some rows y alone, with ``F(-k) = conj F(k)`` on the plane x = 0.

        A slice that crosses this plane was entered on one side of it only; its mirror belongs to
        the same voxels.
        """
        return hermitian_rows(self.sums[:, :, rows].clone(), self.sums[..., 0], rows)


def hermitian_rows(sums: Tensor, plane: Tensor, rows: slice) -> Tensor:
    """Add to rows ``(3, 2 e + 1, r, e + 1)`` of sums what the whole plane x = 0 mirrors there.

    ``plane`` is ``(3, 2 e + 1, 2 e + 1)``; ``sums`` are changed and returned.
    """
    size = plane.shape[2]
    start, stop, _ = rows.indices(size)
    mirrored = plane[:, :, size - stop : size - start].flip(1, 2)
    sums[0, ..., 0] += mirrored[0]
    sums[1, ..., 0] -= mirrored[1]
    sums[2, ..., 0] += mirrored[2]
    return sums


def _shares_of_corners(lower: Tensor, upper: Tensor) -> Iterator[Tensor]:
    """Yield the shares ``(q,)`` of the eight voxels around points; one is gone with the next."""
    zy, share = torch.empty_like(lower[0]), torch.empty_like(lower[0])
    for z in (lower[2], upper[2]):
        for y in (lower[1], upper[1]):
            torch.mul(z, y, out=zy)
            for x in (lower[0], upper[0]):
                yield torch.mul(zy, x, out=share)


def add_in_order(sums: Tensor, places: Tensor, values: Tensor) -> None:
    """Add ``values`` ``(k, m)`` to ``sums`` ``(k, n)`` at ``places`` ``(m,)`` in their order.

    CUDA's own additions come in whatever order its threads do, and rounding tells.  The host waits
    once, for how many places there are.
    """
    sorted_places, order = places.sort(stable=True)
    which, counts = torch.unique_consecutive(sorted_places, return_counts=True)
    added = torch.segment_reduce(
        values[:, order].T.contiguous(), "sum", lengths=counts, axis=0, unsafe=True
    )
    sums.index_add_(1, which, added.T)  # no place twice


def shape_of_sums(
    box: int, *, padding: int = 2, max_radius: float | None = None
) -> tuple[int, int, int, int]:
    """Return the shape ``(3, 2 e + 1, 2 e + 1, e + 1)`` of the sums of slices of such images."""
    radius = box / 2 if max_radius is None else min(float(max_radius), box / 2)
    # A rim to spill over to, and one more voxel to turn within.
    edge = math.ceil(padding * radius) + 3
    return 3, 2 * edge + 1, 2 * edge + 1, edge + 1


def half_space_to_volume(
    rows_of: Callable[[slice], Tensor], edge: int, box: int, padding: int
) -> Tensor:
    """Transform a half space ``(2 e + 1, 2 e + 1, e + 1)`` to the middle ``(N, N, N)``.

    ``rows_of`` gives complex rows y of it, ``(2 e + 1, r, e + 1)``, when they are asked for.  The
    transform is that of a field ``padding * box`` wide with its centre at voxel N // 2; it is
    Hermitian, and zero from that field's Nyquist frequency on.
    """
    padded_box = padding * box
    reach = min(edge, padded_box // 2 - 1)
    middle = slice(edge - reach, edge + reach + 1)
    n = max(1, SLAB_NUMBERS // (padded_box * (reach + 1)))
    # One axis after the other, and slab by slab: the wide field is never whole in memory, and what
    # lies outside the middle is not transformed.
    along_z = rows_of(slice(0, 0)).new_empty(box, 2 * reach + 1, reach + 1)
    for start in range(0, 2 * reach + 1, n):
        there = slice(start, min(start + n, 2 * reach + 1))
        rows = rows_of(slice(middle.start + there.start, middle.start + there.stop))
        rows = rows[middle, :, : reach + 1]
        along_z[:, there] = _middle_along(rows, 0, reach, box, padded_box)
    kept = _middle_of(box, padded_box, along_z.device)
    volume = along_z.real.new_empty(box, box, box)
    for start in range(0, box, n):
        slab = _middle_along(along_z[start : start + n], 1, reach, box, padded_box)
        volume[start : start + n] = torch.fft.irfft(slab, n=padded_box, dim=2)[..., kept]
    return volume


def _middle_along(values: Tensor, dim: int, reach: int, box: int, padded_box: int) -> Tensor:
    """Transform back along one axis, frequencies ``-reach`` to ``reach``; keep the middle."""
    shape = list(values.shape)
    shape[dim] = padded_box
    frequencies = torch.arange(-reach, reach + 1, device=values.device) % padded_box
    wide = values.new_zeros(shape).index_copy_(dim, frequencies, values)
    whole: Tensor = torch.fft.ifft(wide, dim=dim)
    return whole.index_select(dim, _middle_of(box, padded_box, values.device))


def _middle_of(box: int, padded_box: int, device: torch.device) -> Tensor:
    """Return the places of the middle of a field whose centre is its first sample."""
    return torch.arange(-(box // 2), box - box // 2, device=device) % padded_box
