"""Arrays of many rows that are filled as they come: in memory, or in a file without a name.

What lies in the file is mapped: the system counts what was looked at as this process's memory
until it is let go of.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

# Arrays that take less together are kept in memory.
SMALL_BYTES = 1 << 26
# Rows to look at before they are let go of.
_ROWS_AT_ONCE = 1 << 18
_ALIGNED = 4096  # bytes; where an array of a file may start

Arrays = dict[str, np.ndarray]


class Rows(Protocol):
    """Arrays that grow by the rows of others; names that one of these lacks are dropped."""

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Add rows; raises ValueError for those of another shape, or more than declared."""

    def arrays(self) -> Arrays:
        """Return all that was added."""


def rows_of(first: Mapping[str, np.ndarray], n: int, folder: Path | None) -> Rows:
    """Return a place for ``n`` rows of the kind of ``first``, in ``folder`` where they are many."""
    n_bytes = sum(n * a.dtype.itemsize * int(np.prod(a.shape[1:])) for a in first.values())
    if folder is None or n_bytes <= SMALL_BYTES:
        return _InMemory(first, n)
    return _InFile(first, n, folder)


class _InMemory:
    def __init__(self, first: Mapping[str, np.ndarray], n: int) -> None:
        self._whole = {name: np.empty((n, *a.shape[1:]), a.dtype) for name, a in first.items()}
        self._n, self._n_declared = 0, n

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._whole = {name: array for name, array in self._whole.items() if name in arrays}
        shapes = {name: array.shape[1:] for name, array in self._whole.items()}
        n = _n_fitting(arrays, shapes, self._n_declared - self._n)
        for name, array in self._whole.items():
            array[self._n : self._n + n] = arrays[name]
        self._n += n

    def arrays(self) -> Arrays:
        return {name: array[: self._n] for name, array in self._whole.items()}


class _InFile:
    """It is written, not mapped, as it fills: a full disk is an OSError then."""

    def __init__(self, first: Mapping[str, np.ndarray], n: int, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._places: dict[str, tuple[int, np.dtype, tuple[int, ...]]] = {}
        self._n, self._n_declared, end = 0, n, 0
        for name, array in first.items():
            shape = array.shape[1:]
            self._places[name] = (end, array.dtype, shape)
            n_bytes = n * array.dtype.itemsize * int(np.prod(shape))
            end += -(-n_bytes // _ALIGNED) * _ALIGNED

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._places = {name: place for name, place in self._places.items() if name in arrays}
        shapes = {name: shape for name, (_, _, shape) in self._places.items()}
        n = _n_fitting(arrays, shapes, self._n_declared - self._n)
        for name, (start, dtype, shape) in self._places.items():
            self._file.seek(start + self._n * dtype.itemsize * int(np.prod(shape)))
            self._file.write(np.ascontiguousarray(arrays[name], dtype=dtype).data)
        self._n += n

    def arrays(self) -> Arrays:
        self._file.flush()
        with self._file as file:
            return {
                name: _mapped(file, dtype, start, (self._n, *shape))
                for name, (start, dtype, shape) in self._places.items()
            }


def _n_fitting(
    arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], n_left: int
) -> int:
    """Return how many rows there are; raises ValueError where they do not fit what is there."""
    n = len(next(iter(arrays.values())))
    if n > n_left:
        raise ValueError(f"{n} rows to be joined, where {n_left} are left of those declared")
    for name, shape in shapes.items():
        if arrays[name].shape != (n, *shape):
            raise ValueError(f"rows of {name} are {arrays[name].shape}, not {(n, *shape)}")
    return n


def _mapped(file: IO[bytes], dtype: np.dtype, start: int, shape: tuple[int, ...]) -> np.ndarray:
    if 0 in shape:  # no bytes cannot be mapped
        return np.empty(shape, dtype)
    return np.memmap(file, dtype, "r", start, shape)


def let_go(*arrays: NDArray[np.generic]) -> None:
    """Let go of the memory of arrays that lie in a file; they can be looked at all the same."""
    for array in arrays:
        mapped = getattr(array, "_mmap", None)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):  # Windows has none
            mapped.madvise(mmap.MADV_DONTNEED)


def some_rows(*arrays: NDArray[np.generic]) -> Iterator[slice]:
    """Yield slices of all rows of arrays, which are let go of after each."""
    n = len(arrays[0])
    for start in range(0, n, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, n))
        let_go(*arrays)
