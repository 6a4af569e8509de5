"""The rows of a loop: pieces of text become a table of tokens, each as the file spells it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star_lines import all_tokens, is_open_quote, line_number, tokens_of

_ROWS_A_READ = 50_000
_MARKS = (b"'", b'"', b"#")
_BEFORE_A_TOKEN = (b" ", b"\t", b"\n")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # pandas takes it off the first cell

Pieces = Sequence[tuple[int, int]]


def text_table(columns: dict[str, list[str]]) -> pd.DataFrame:
    """Make a table of tokens."""
    return pd.DataFrame({name: pd.Series(values, dtype=str) for name, values in columns.items()})


def parse_rows(
    text: bytes, pieces: Pieces, columns: list[str], name: str, path: Path, encoding: str
) -> pd.DataFrame:
    """Return the rows of block ``name`` in ``pieces``, (start, end) bytes of ``text``.

    Raises:
        InputError: for a row that has not as many values as there are columns.

    """
    if not pieces:
        return text_table({column: [] for column in columns})
    if needs_tokens(text, pieces):
        return _parse_tokens(text, pieces, columns, name, path, encoding)
    # Views: a copy of a million rows is hundreds of megabytes.
    views = [memoryview(text)[start:end] for start, end in pieces]
    try:
        parts = plain_parts(io.BufferedReader(_Views(views)), encoding)
        table = pd.concat(list(parts), ignore_index=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        table = pd.DataFrame()
    # pandas fills short rows at the end: a whole row has a last token that is not empty.
    if table.shape[1] != len(columns) or bool((table.iloc[:, -1].fillna("") == "").any()):
        return _parse_tokens(text, pieces, columns, name, path, encoding)
    table.columns = pd.Index(columns)
    return table


def plain_parts(
    rows: io.BufferedReader[Any], encoding: str, places: Sequence[int] | None = None
) -> Iterator[pd.DataFrame]:
    """Yield tables of tokens, some thousand rows each: each is a Python string until packed.

    Columns ``places`` (one or more; default all) are given, in the order of the file.
    """
    parts: Iterator[pd.DataFrame] = pd.read_csv(
        rows,
        sep=r"\s+",
        header=None,
        dtype=str,
        na_filter=False,
        quoting=3,  # csv.QUOTE_NONE
        encoding=encoding,
        engine="c",
        usecols=places,
        chunksize=_ROWS_A_READ,
    )
    return parts


def needs_tokens(text: bytes, pieces: Pieces) -> bool:
    """Tell whether rows have quotes or comments, which blanks alone do not part."""
    return any(_has_marks(text, start, end) for start, end in pieces)


def _has_marks(text: bytes, start: int, end: int) -> bool:
    if text.startswith((*_MARKS, _BYTE_ORDER_MARK), start):
        return True
    return any(
        text.find(mark, start, end) >= 0
        and any(text.find(before + mark, start, end) >= 0 for before in _BEFORE_A_TOKEN)
        for mark in _MARKS
    )


def _parse_tokens(
    text: bytes, pieces: Pieces, columns: list[str], name: str, path: Path, encoding: str
) -> pd.DataFrame:
    """Read rows token by token, some at a time."""
    parts: list[pd.DataFrame] = []
    rows: list[list[str]] = []
    n_rows = 0

    def pack() -> None:
        named = zip(columns, zip(*rows, strict=True), strict=True)
        parts.append(text_table({column: list(values) for column, values in named}))
        rows.clear()

    lines = _lines(text, pieces, encoding)
    for start, line in lines:
        tokens = tokens_of(line)
        if not tokens:
            continue
        n_rows += 1
        unclosed = next((token for token in tokens if is_open_quote(token)), None)
        if unclosed is not None:
            raise InputError(
                f"{path}, line {line_number(text, start)}: the quote at {unclosed[:40]} is not "
                "closed."
            )
        if len(tokens) != len(columns):
            is_cut = len(all_tokens(line)) > len(tokens)
            hidden = " before a # that begins a comment" if is_cut else ""
            is_last = not any(tokens_of(after) for _, after in lines)
            last = "; it is the last row, so the file may be cut short" if is_last else ""
            raise InputError(
                f"{path}: row {n_rows} of data_{name} has {len(tokens)} values{hidden} for "
                f"{len(columns)} columns (line {line_number(text, start)}){last}."
            )
        rows.append(tokens)
        if len(rows) == _ROWS_A_READ:
            pack()
    if rows:
        pack()
    return pd.concat(parts, ignore_index=True)


def _lines(text: bytes, pieces: Pieces, encoding: str) -> Iterator[tuple[int, str]]:
    for start, end in pieces:
        while start < end:
            stop = text.find(b"\n", start, end)
            stop = end if stop < 0 else stop
            yield start, text[start:stop].decode(encoding)
            start = stop + 1


class _Views(io.RawIOBase):
    """Pieces of bytes read as one file without a copy of them."""

    def __init__(self, views: list[memoryview]) -> None:
        self._views, self._place, self._at = views, 0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._place < len(self._views) and self._at == len(self._views[self._place]):
            self._place, self._at = self._place + 1, 0
        if self._place == len(self._views):
            return 0
        view = self._views[self._place]
        n = min(len(buffer), len(view) - self._at)
        buffer[:n] = view[self._at : self._at + n]
        self._at += n
        return n
