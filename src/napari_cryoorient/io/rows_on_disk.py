"""The rows of a large loop, left in their file: columns of numbers and packed text in memory.

A token of a few letters costs more as text than the number it spells.  What a file spells is read
from it again where it is asked for, so that every cell can be written as it was.
"""

from __future__ import annotations

import ctypes
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star_rows import Pieces, plain_parts
from napari_cryoorient.particles import Floats, Integers, PackedNames

_ROWS_TO_GIVE_BACK = 400_000


class PackedTexts(PackedNames):
    """Texts in one block of memory, which cost as many bytes as they have letters and four more."""

    def __init__(self, texts: pa.ChunkedArray) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> PackedTexts: ...
    def __getitem__(self, index: int | slice) -> str | PackedTexts:
        if isinstance(index, slice):
            return self.take(np.arange(len(self), dtype=np.int64)[index])
        text: str = self._texts[int(index)].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        for chunk in self._texts.chunks:
            yield from chunk.to_pylist()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(other) != len(self):
            return False
        return all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def take(self, rows: Integers) -> PackedTexts:
        """Return the texts of ``rows``, in that order."""
        return PackedTexts(self._texts.take(pa.array(np.asarray(rows, dtype=np.int64))))


@dataclass(frozen=True, eq=False)
class RowsOnDisk:
    """Rows of a loop as ``read_rows`` found them in a file, which is still as it was then.

    The file stays open: it may be moved, removed or replaced by another while work goes on.
    """

    file: io.FileIO
    path: Path
    pieces: Pieces
    columns: list[str]
    encoding: str
    n: int
    numbers: dict[str, NDArray[Any]]
    texts: dict[str, PackedTexts]
    state: tuple[int, int] = field(repr=False)

    def parts(self, names: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield tables of some thousand rows as the file spells them, of all columns or ``names``.

        Raises InputError where the file was changed since.
        """
        if _state_of(self.file) != self.state:
            raise InputError(f"{self.path} was changed while it was in use: start again.")
        chosen = self.columns if names is None else list(names)
        places = None if names is None else [self.columns.index(name) for name in chosen]
        pieces = io.BufferedReader(_Pieces(self.file, self.pieces))
        for part in plain_parts(pieces, self.encoding, places):
            part.columns = pd.Index(chosen)
            yield part

    def __del__(self) -> None:
        self.file.close()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind when sent to another process."""
        return {**self.__dict__, "file": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"file": _opened(state["path"])})

    def column(self, name: str) -> Floats:
        """Return a column as numbers ``(n,)``, not a number where it holds something else."""
        if name in self.numbers:
            return self.numbers[name].astype(np.float64)
        return np.concatenate([_numbers(part[name]) for part in self.parts([name])])

    @property
    def has_all_numbers(self) -> bool:
        """Whether all columns are in memory, as after reading."""
        return len(self.numbers) + len(self.texts) == len(self.columns)

    def is_still(self, path: Path) -> bool:
        """Tell whether ``path`` is the file that was read, and as it was."""
        try:
            return os.path.samestat(
                path.stat(), os.fstat(self.file.fileno())
            ) and self.state == _state_of(self.file)
        except OSError:
            return False

    def forget_numbers(self) -> None:
        """Let go of columns of numbers, which are read from the file again if asked for."""
        for name in [name for name, values in self.numbers.items() if values.strides != (0,)]:
            del self.numbers[name]
        _give_back_memory()

    def spelled(self, name: str) -> Sequence[str]:
        """Return a column as the file spells it."""
        if name in self.texts:
            return self.texts[name]
        return PackedTexts(pa.chunked_array([_packed(p[name]) for p in self.parts([name])]))


def open_rows(path: Path) -> io.FileIO | None:
    """Open a file to read rows from; None for one that cannot be."""
    try:
        return io.FileIO(path)
    except OSError:
        return None


def read_rows(path: Path, pieces: Pieces, columns: list[str], encoding: str) -> RowsOnDisk:
    """Read rows of ``path`` in ``pieces``, (start, end) bytes of it.

    Columns whose first rows are numbers are kept as such, the others as text.

    Raises:
        InputError: where the file cannot be read, or not every row has as many values.

    """
    file = _opened(path)
    try:
        return _read_rows(file, path, pieces, columns, encoding)
    except BaseException as error:
        file.close()
        if isinstance(error, pd.errors.ParserError | pd.errors.EmptyDataError):
            raise InputError(f"{path} has rows of different lengths.") from error
        raise


def _read_rows(
    file: io.FileIO, path: Path, pieces: Pieces, columns: list[str], encoding: str
) -> RowsOnDisk:
    state = _state_of(file)
    numbers: dict[str, list[NDArray[Any]]] = {}
    texts: dict[str, list[pa.Array]] = {}
    repeated: set[str] = set()  # columns with the same texts again and again
    n = 0
    for part in plain_parts(io.BufferedReader(_Pieces(file, pieces)), encoding):
        if part.shape[1] != len(columns) or bool((part.iloc[:, -1].fillna("") == "").any()):
            raise InputError(f"{path} has rows of different lengths.")
        part.columns = pd.Index(columns)
        for name in columns:
            values = _numbers(part[name]) if n == 0 or name in numbers else None
            if values is not None and (n or np.isfinite(values).all()):
                numbers.setdefault(name, []).append(_compact(values))
            else:
                packed = _packed(part[name])
                if name not in texts and len(packed.unique()) < len(packed) // 2:
                    repeated.add(name)
                packed = packed.dictionary_encode() if name in repeated else packed
                texts.setdefault(name, []).append(packed)
        n += len(part)
        if n % _ROWS_TO_GIVE_BACK < len(part):
            _give_back_memory()
    joined: dict[str, NDArray[Any]] = {}
    for name in list(numbers):  # one by one: all of them twice is much
        joined[name] = _joined_numbers(numbers.pop(name))
    kept = {name: PackedTexts(pa.chunked_array(texts.pop(name))) for name in list(texts)}
    _give_back_memory()
    return RowsOnDisk(file, path, pieces, columns, encoding, n, joined, kept, state)


def _give_back_memory() -> None:
    """Give the system what parsing has freed, which stays this process's memory otherwise."""
    pa.default_memory_pool().release_unused()
    with suppress(AttributeError, OSError, TypeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)


def _numbers(column: pd.Series) -> Floats:
    found: Floats = pd.to_numeric(column, errors="coerce").to_numpy(
        dtype=np.float64, na_value=np.nan
    )
    return found


def _compact(values: Floats) -> NDArray[Any]:
    """Return the same numbers in less memory where they are one, or small whole ones."""
    if (values == values[0]).all():
        return np.broadcast_to(values[0].copy(), values.shape)
    whole = np.iinfo(np.int32)
    if ((values == np.rint(values)) & (values >= whole.min) & (values <= whole.max)).all():
        return values.astype(np.int32)
    return values


def _joined_numbers(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Join columns, each of them ``_compact``."""
    first = parts[0][0]
    if all(part.strides == (0,) and part[0] == first for part in parts):
        return np.broadcast_to(parts[0][:1], (sum(map(len, parts)),))
    return np.concatenate(parts)


def _packed(column: pd.Series) -> pa.Array:
    return pa.array(column.to_numpy(object), pa.string())


def _opened(path: Path) -> io.FileIO:
    try:
        return io.FileIO(path)
    except OSError as error:
        raise InputError(f"{path} can no longer be read ({error.strerror}).") from error


def _state_of(file: io.FileIO) -> tuple[int, int]:
    stat = os.fstat(file.fileno())
    return stat.st_size, stat.st_mtime_ns


class _Pieces(io.RawIOBase):
    """Pieces of an open file read as one."""

    def __init__(self, file: io.FileIO, pieces: Pieces) -> None:
        self._file = file
        self._left = list(pieces)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._left:
            start, end = self._left[0]
            if start < end:
                self._file.seek(start)  # another may have read from elsewhere
                n = self._file.readinto(memoryview(buffer)[: end - start]) or 0
                if n == 0:
                    return 0
                self._left[0] = (start + n, end)
                return n
            self._left.pop(0)
        return 0
