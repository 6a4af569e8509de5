"""The rows of a large loop, left in their file: columns of numbers and packed text in memory.

A token of a few letters costs more as text than the number it spells.  What a file spells is read
from it again where it is asked for, so that every cell can be written as it was.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
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

# Rows of less text than this are kept as a table.
LARGE_BYTES = 1 << 26


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

    def take(self, rows: Integers) -> PackedTexts:
        """Return the texts of ``rows``, in that order."""
        return PackedTexts(self._texts.take(pa.array(np.asarray(rows, dtype=np.int64))))


@dataclass(frozen=True, eq=False)
class RowsOnDisk:
    """Rows of a loop as ``read_rows`` found them in a file, which is still as it was then."""

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
        if _state_of(self.path) != self.state:
            raise InputError(f"{self.path} was changed while it was in use: start again.")
        with _Pieces(self.path, self.pieces) as raw:
            for part in plain_parts(io.BufferedReader(raw), self.encoding):
                part.columns = pd.Index(self.columns)
                yield part if names is None else part[list(names)]

    def column(self, name: str) -> Floats:
        """Return a column as numbers ``(n,)``, not a number where it holds something else."""
        if name in self.numbers:
            return self.numbers[name].astype(np.float64)
        return np.concatenate([_numbers(part[name]) for part in self.parts([name])])

    def spelled(self, name: str) -> Sequence[str]:
        """Return a column as the file spells it."""
        if name in self.texts:
            return self.texts[name]
        return PackedTexts(pa.chunked_array([_packed(p[name]) for p in self.parts([name])]))


def read_rows(path: Path, pieces: Pieces, columns: list[str], encoding: str) -> RowsOnDisk | None:
    """Read rows of ``path`` in ``pieces``, (start, end) bytes of it; None where some are odd.

    Columns whose first rows are numbers are kept as such, the others as text.
    """
    state = _state_of(path)
    numbers: dict[str, list[Floats]] = {}
    texts: dict[str, list[pa.Array]] = {}
    n = 0
    try:
        with _Pieces(path, pieces) as raw:
            for part in plain_parts(io.BufferedReader(raw), encoding):
                if part.shape[1] != len(columns) or bool((part.iloc[:, -1].fillna("") == "").any()):
                    return None
                part.columns = pd.Index(columns)
                for name in columns:
                    values = _numbers(part[name]) if n == 0 or name in numbers else None
                    if values is not None and (n or np.isfinite(values).all()):
                        numbers.setdefault(name, []).append(values)
                    else:
                        texts.setdefault(name, []).append(_packed(part[name]))
                n += len(part)
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        return None
    joined: dict[str, NDArray[Any]] = {}
    for name in list(numbers):  # one by one: all of them twice is much
        joined[name] = _compact(np.concatenate(numbers.pop(name)))
    kept = {name: PackedTexts(_joined(pieces)) for name, pieces in texts.items()}
    return RowsOnDisk(path, pieces, columns, encoding, n, joined, kept, state)


def _numbers(column: pd.Series) -> Floats:
    found: Floats = pd.to_numeric(column, errors="coerce").to_numpy(
        dtype=np.float64, na_value=np.nan
    )
    return found


def _compact(values: Floats) -> NDArray[Any]:
    """Return the same numbers in less memory where they are one, or small whole ones."""
    if (values == values[0]).all():
        return np.broadcast_to(values[0], values.shape)
    whole = np.iinfo(np.int32)
    if ((values == np.rint(values)) & (values >= whole.min) & (values <= whole.max)).all():
        return values.astype(np.int32)
    return values


def _packed(column: pd.Series) -> pa.Array:
    return pa.array(column.to_numpy(object), pa.string())


def _joined(parts: list[pa.Array]) -> pa.ChunkedArray:
    """Join texts; those that come again and again are kept once each."""
    whole = pa.chunked_array(parts)
    first = parts[0]
    if len(first.unique()) < len(first) // 2:
        return whole.dictionary_encode()
    return whole


def _state_of(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(f"{path} can no longer be read ({error.strerror}).") from error
    return stat.st_size, stat.st_mtime_ns


class _Pieces(io.RawIOBase):
    """Pieces of a file read as one."""

    def __init__(self, path: Path, pieces: Pieces) -> None:
        self._file = path.open("rb", buffering=0)
        self._left = list(pieces)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._left:
            start, end = self._left[0]
            if start < end:
                self._file.seek(start)
                n = self._file.readinto(memoryview(buffer)[: end - start]) or 0
                if n == 0:
                    return 0
                self._left[0] = (start + n, end)
                return n
            self._left.pop(0)
        return 0

    def close(self) -> None:
        self._file.close()
        super().close()
