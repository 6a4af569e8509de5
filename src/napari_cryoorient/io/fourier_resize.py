"""Change the sampling of images and maps by cutting or padding their Fourier transform."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import numpy as np
import scipy.fft
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
