"""Change the sampling of images and maps by cutting or padding their Fourier transform."""

from __future__ import annotations

import math
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import NDArray


def fourier_resize(array: NDArray[np.float32], box: int, n_dims: int) -> NDArray[np.float32]:
    """Resample the last ``n_dims`` axes, all of one even length N, to the even length ``box``.

    The mean grey stays, and so does the centre: pixel N // 2 becomes pixel box // 2. Both signs
    of the smaller box's Nyquist frequency get their average, along each axis, so that the result
    does not depend on the direction of the axes; ``projection.resample`` does the same in torch.
    """
    old = array.shape[-1]
    if old % 2 or box % 2:
        raise ValueError(f"even lengths are needed, not {old} and {box}")
    if box == old:
        return np.asarray(array, dtype=np.float32)
    import scipy.fft  # loads slowly, and most files are taken at their own sampling

    axes = tuple(range(-n_dims, 0))
    spectrum = scipy.fft.rfftn(np.asarray(array, dtype=np.float32), axes=axes)
    half = min(old, box) // 2
    spectrum = spectrum[..., : half + 1]  # the inverse averages its last column by itself
    for axis in axes[:-1]:
        spectrum = _resized_along(spectrum, axis, box)
    if box > old:
        spectrum[..., half] *= np.float32(0.5)
        nothing = ((0, 0),) * (spectrum.ndim - 1)
        spectrum = np.pad(spectrum, (*nothing, (0, box // 2 - half)))
    spectrum = spectrum * np.float32((box / old) ** n_dims)
    resized = scipy.fft.irfftn(spectrum, s=(box,) * n_dims, axes=axes, overwrite_x=True)
    return np.asarray(resized, dtype=np.float32)


def _resized_along(spectrum: NDArray[Any], axis: int, box: int) -> NDArray[Any]:
    """Cut or pad one whole axis (counted from the end) of a spectrum to ``box``."""
    old = spectrum.shape[axis]
    half = min(old, box) // 2

    def part(start: int, stop: int) -> NDArray[Any]:
        where: tuple[EllipsisType | slice, ...] = (
            ...,
            slice(start, stop),
            *(slice(None),) * (-axis - 1),
        )
        return spectrum[where]

    top, bottom = part(0, half), part(old - half + 1, old)
    middle = np.float32(0.5) * (part(half, half + 1) + part(old - half, old - half + 1))
    if box < old:
        return np.concatenate([top, middle, bottom], axis)
    middle = np.float32(0.5) * middle  # one coefficient becomes two
    shape = list(spectrum.shape)
    shape[axis] = box - old - 1
    gap = np.zeros(shape, spectrum.dtype)
    return np.concatenate([top, middle, gap, middle, bottom], axis)


def rescaled(
    array: NDArray[np.float32],
    box: int,
    pixel_sizes: tuple[float, float],
    n_dims: int,
    outside: float = 0.0,
) -> NDArray[np.float32]:
    """Resample the last ``n_dims`` axes to ``box`` pixels of another size, the centre staying.

    ``pixel_sizes`` are the old and the new one; boxes may be even or odd, fields of view any:
    what lies beyond the old field is ``outside``. Grey values stay, and frequencies beyond the
    coarser grid's Nyquist are left out. Each axis is a product with the trigonometric
    interpolation's matrix, which is exact for what the array holds.
    """
    weights = interpolation_matrix(array.shape[-1], box, *pixel_sizes)
    inside = np.asarray(array, dtype=np.float32) - np.float32(outside)
    for axis in range(-n_dims, 0):
        inside = np.moveaxis(np.moveaxis(inside, axis, -1) @ weights.T, -1, axis)
    return np.ascontiguousarray(inside + np.float32(outside), dtype=np.float32)


def interpolation_matrix(
    old: int, new: int, old_pixel: float, new_pixel: float, *, is_periodic: bool = False
) -> NDArray[np.float32]:
    """Return ``(new, old)``: what each old pixel of a line gives to each new one.

    Both lines have their centres, pixels ``old // 2`` and ``new // 2``, in one place. Beyond the
    old line there is nothing, or with ``is_periodic`` the line again.
    """
    there = (np.arange(new) - new // 2) * (new_pixel / old_pixel)  # in old pixels, from the centre
    here = np.arange(old) - old // 2
    nyquist = old * old_pixel / (2 * new_pixel)  # of the new grid, in the old one's Fourier pixels
    highest = min((old - 1) // 2, math.ceil(nyquist - 1e-6) - 1)
    apart = there[:, None] - here
    angle = np.pi * apart / old
    # The sum of cos(2 pi k apart / old) over |k| <= highest.
    sine = np.sin(angle)
    is_whole = np.abs(sine) < 1e-9
    kernel = np.sin((2 * highest + 1) * angle) / np.where(is_whole, 1.0, sine)
    kernel = np.where(is_whole, 2.0 * highest + 1, kernel)
    if 2 * highest + 2 == old and new_pixel <= old_pixel:
        kernel = kernel + np.cos(np.pi * apart)  # an even line's own Nyquist frequency
    if not is_periodic:
        kernel[(there < here[0] - 0.5) | (there > here[-1] + 0.5)] = 0.0
    return (kernel / old).astype(np.float32)
