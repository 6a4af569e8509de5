"""Transforms of centred images and maps: Fourier crop and pad, shift, low-pass.

The centre is pixel ``N // 2``; a half plane ``(..., N, N // 2 + 1)`` is the output layout of
``rfft2``, zero frequency first, with its phases taken about the centre.  Boxes are even.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.fourier_grids import (
    frequencies_half_plane,
    radius_of_fft,
    raised_cosine,
)
from napari_cryoorient.projection.shapes import (
    HalfPlanes,
    Images,
    ResizedHalfPlanes,
    ResizedImages,
    ResizedVolume,
    Volume,
)

SLAB_NUMBERS = 2**22  # complex numbers of a map that are transformed at once: 32 MB
_LEAST_RADIUS = 2.0  # Fourier pixels; less holds no detail of a particle


def refuse_coarse(what: str, resolution_angstrom: float, field_of_view_angstrom: float) -> None:
    """Raise InputError for a resolution so coarse that hardly a frequency is left."""
    coarsest = field_of_view_angstrom / _LEAST_RADIUS
    if not resolution_angstrom <= coarsest:
        raise InputError(
            f"A {what} of {resolution_angstrom:g} A leaves no detail in images {coarsest * 2:.4g} "
            f"A wide; choose a value below {coarsest:.4g}."
        )


def images_to_fourier(images: Images) -> HalfPlanes:
    """Transform images ``(..., N, N)`` to half planes, phases about the centre pixel."""
    half_planes: Tensor = torch.fft.rfft2(torch.fft.ifftshift(images, dim=(-2, -1)))
    return half_planes


def fourier_to_images(half_planes: HalfPlanes) -> Images:
    """Transform half planes ``(..., N, N // 2 + 1)``, phases about the centre, to images."""
    box = half_planes.shape[-2]
    images: Tensor = torch.fft.irfft2(half_planes, s=(box, box))
    centred: Tensor = torch.fft.fftshift(images, dim=(-2, -1))
    return centred


def fourier_shift(
    half_planes: Annotated[Tensor, "... n n//2+1"], shifts_pixels: Annotated[Tensor, "... 2"]
) -> Annotated[Tensor, "... n n//2+1"]:
    """Move the content of half planes ``(..., N, N // 2 + 1)`` by ``(..., 2)`` (x, y) pixels."""
    box = half_planes.shape[-2]
    kx, ky = frequencies_half_plane(box, device=half_planes.device, dtype=shifts_pixels.dtype)
    turn = -2 * torch.pi / box
    phase_x = turn * shifts_pixels[..., 0, None, None] * kx
    phase_y = turn * shifts_pixels[..., 1, None, None] * ky
    ramp_x = torch.polar(torch.ones_like(phase_x), phase_x)
    ramp_y = torch.polar(torch.ones_like(phase_y), phase_y)
    return half_planes * ramp_x * ramp_y


def fourier_resize_half_plane(half_planes: HalfPlanes, box: int) -> ResizedHalfPlanes:
    """Crop or zero-pad half planes to ``(..., box, box // 2 + 1)``, phases about the centre.

    Values are scaled by ``(box / N)^2``, which keeps the grey values of the images.  The row and
    column at the smaller Nyquist frequency are kept when cropping, averaged with their mirror.
    """
    old = half_planes.shape[-2]
    if box == old:
        return half_planes
    half = min(box, old) // 2
    scale = (box / old) ** 2
    top = half_planes[..., :half, : half + 1]
    bottom = half_planes[..., old - half + 1 :, : half + 1]
    if box < old:
        middle = half_planes[..., half, : half + 1] + half_planes[..., old - half, : half + 1]
        resized = torch.cat([top, 0.5 * middle[..., None, :], bottom], dim=-2)
    else:
        middle = 0.5 * half_planes[..., half, : half + 1][..., None, :]
        gap = half_planes.new_zeros(*half_planes.shape[:-2], box - old - 1, half + 1)
        resized = torch.cat([top, middle, gap, middle, bottom], dim=-2)
        weight = torch.ones(half + 1, dtype=resized.real.dtype, device=resized.device)
        weight[half] = 0.5
        resized = torch.nn.functional.pad(resized * weight, (0, box // 2 - half))
    return resized * scale


def fourier_crop_images(images: Images, box: int) -> ResizedImages:
    """Resample images ``(..., N, N)`` to ``box`` pixels of N / box the size, same field of view.

    Grey values and the centre pixel stay.  ``box`` above N pads with zeros.  Both must be even.
    """
    if box == images.shape[-1]:
        return images
    return fourier_to_images(fourier_resize_half_plane(images_to_fourier(images), box))


def fourier_crop_volume(volume: Volume, box: int) -> ResizedVolume:
    """Resample a map ``(N, N, N)`` to ``box`` voxels of N / box the size; densities stay.

    The centre voxel stays in place.  ``box`` above N pads with zeros.  Both must be even.
    """
    old = volume.shape[-1]
    if box == old:
        return volume
    # One axis after the other, and slab by slab: the whole transform would take four times the map.
    resized = volume
    for dim, across in ((0, 1), (1, 2), (2, 0)):
        n = max(1, SLAB_NUMBERS * resized.shape[across] // resized.numel())
        slabs = torch.split(resized, n, dim=across)
        resized = torch.cat([_resized_along(slab, dim, box) for slab in slabs], dim=across)
    # The Nyquist planes have no mirror: the real part shares them between both signs.
    return resized.real.contiguous()


def _resized_along(values: Tensor, dim: int, box: int) -> Tensor:
    """Crop or pad the transform along one axis about the centre."""
    old = values.shape[dim]
    transform = torch.fft.fft(torch.fft.ifftshift(values, dim=dim), dim=dim)
    transform = torch.fft.fftshift(transform, dim=dim)
    edge = (box - old) // 2
    if box < old:
        transform = transform.narrow(dim, -edge, box)
    else:
        widths = [0] * 6
        widths[2 * (2 - dim) : 2 * (2 - dim) + 2] = [edge, edge]
        transform = torch.nn.functional.pad(transform, widths)
    resized = torch.fft.ifft(torch.fft.ifftshift(transform * (box / old), dim=dim), dim=dim)
    centred: Tensor = torch.fft.fftshift(resized, dim=dim)
    return centred


def lowpass(
    array: Tensor,
    resolution_angstrom: float,
    pixel_size_angstrom: float,
    *,
    n_dimensions: int,
    edge_pixels: float = 2.0,
) -> Tensor:
    """Low-pass images (``n_dimensions`` 2) or maps (3), ``(..., N, N[, N])``, at a resolution.

    The filter is a raised cosine in radius, one half at ``resolution_angstrom``, ``edge_pixels``
    Fourier pixels wide.
    """
    box = array.shape[-1]
    dims = tuple(range(-n_dimensions, 0))
    radius = radius_of_fft(box, n_dimensions, device=array.device, dtype=array.dtype)
    mask = raised_cosine(radius, box * pixel_size_angstrom / resolution_angstrom, edge_pixels)
    filtered: Tensor = torch.fft.irfftn(
        torch.fft.rfftn(array, dim=dims) * mask, s=(box,) * n_dimensions, dim=dims
    )
    return filtered
