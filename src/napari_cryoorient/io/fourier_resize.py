"""Change the sampling of images and maps by cutting or padding their Fourier transform."""

from __future__ import annotations

from itertools import product
from types import EllipsisType

import numpy as np
import scipy.fft
from numpy.typing import NDArray


def fourier_resize(array: NDArray[np.float32], box: int, n_dims: int) -> NDArray[np.float32]:
    """Resample the last ``n_dims`` axes, all of one even length N, to the even length ``box``.

    The mean grey stays, and so does the centre: pixel N // 2 becomes pixel box // 2. What lies at
    the smaller box's Nyquist frequency is dropped, so that the result does not depend on the
    direction of the axes.
    """
    old = array.shape[-1]
    if old % 2 or box % 2:
        raise ValueError(f"even lengths are needed, not {old} and {box}")
    if box == old:
        return np.asarray(array, dtype=np.float32)
    axes = tuple(range(-n_dims, 0))
    spectrum = scipy.fft.rfftn(np.asarray(array, dtype=np.float32), axes=axes)
    half = min(old, box) // 2
    kept = np.zeros((*array.shape[:-n_dims], *(box,) * (n_dims - 1), box // 2 + 1), spectrum.dtype)
    ends = [slice(0, half), slice(-(half - 1), None)] if half > 1 else [slice(0, half)]
    for corner in product(ends, repeat=n_dims - 1):
        where: tuple[EllipsisType | slice, ...] = (..., *corner, slice(0, half))
        kept[where] = spectrum[where]
    kept *= np.float32((box / old) ** n_dims)
    resized = scipy.fft.irfftn(kept, s=(box,) * n_dims, axes=axes, overwrite_x=True)
    return np.asarray(resized, dtype=np.float32)
