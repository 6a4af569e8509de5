"""A particle stack as napari wants it: an array ``(n, y, x)`` that reads what it is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Images, ImageSource

_SAMPLED_IMAGES = 32  # enough to set the grey scale by, few enough to read at once
_MOST_BYTES_AT_ONCE = 2 << 30  # the 3D view asks for every image at once
_DISPLAY_QUANTILES = (0.005, 0.995)


class LazyStack:
    """Read images of ``source`` when they are indexed; nothing is kept.

    Scrolling reads one image at a time, so a stack of any length opens at once.
    """

    ndim = 3
    dtype = np.dtype(np.float32)

    def __init__(self, source: ImageSource):
        self._source = source

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of images, rows, columns."""
        return len(self._source), self._source.box, self._source.box

    @property
    def size(self) -> int:
        """Number of pixels in the whole stack."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, key: Any) -> Images:
        """Index as a NumPy array ``(n, y, x)``; only the first index decides what is read.

        Raises InputError for more images than a computer's memory can be trusted to hold.
        """
        which, rest = _split_key(key)
        rows = np.arange(len(self))[which]
        n_bytes = np.size(rows) * self._source.box**2 * self.dtype.itemsize
        if n_bytes > _MOST_BYTES_AT_ONCE:
            raise InputError(
                f"{np.size(rows)} particle images at once would take {n_bytes / 2**30:.0f} GiB; "
                "look at them one by one, in the 2D view."
            )
        images = self._source.read(np.atleast_1d(rows))
        picked: Images = images[(0 if np.ndim(rows) == 0 else slice(None), *rest)]
        return picked

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything: what NumPy asks for, and what napari does not as long as it shows 2D."""
        return np.asarray(self[:], dtype=dtype)


def _split_key(key: Any) -> tuple[Any, tuple[Any, ...]]:
    """Part an index into that of the images and that of rows and columns."""
    parts = list(key) if isinstance(key, tuple) else [key]
    dots = [i for i, part in enumerate(parts) if part is Ellipsis]
    if dots:
        fill = [slice(None)] * (LazyStack.ndim + 1 - len(parts))
        parts[dots[0] : dots[0] + 1] = fill
    if not parts:
        return slice(None), ()
    return parts[0], tuple(parts[1:])


def display_limits(source: ImageSource) -> tuple[float, float]:
    """Give the grey values of black and white for a stack, from a few images spread over it."""
    n = len(source)
    rows = np.unique(np.linspace(0, n - 1, min(n, _SAMPLED_IMAGES)).astype(np.int64))
    return quantile_limits(source.read(rows))


def quantile_limits(values: Images) -> tuple[float, float]:
    """Give black and white for display; the two differ even where all values are the same.

    Values that are not finite have no part in them.
    """
    finite = values if np.isfinite(values).all() else values[np.isfinite(values)]
    if not finite.size:
        return -0.5, 0.5
    low, high = (float(q) for q in np.quantile(finite, _DISPLAY_QUANTILES))
    return (low, high) if high > low else (low - 0.5, low + 0.5)
