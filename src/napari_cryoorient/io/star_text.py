"""STAR as text: blocks of tokens, each kept exactly as the file spells it.

Nothing here knows what a column means. Numbers stay strings, so that a file read and written again
has the same 0001, 1.0 and 1.421115e+05 in every cell nobody changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.cs_file import CsFile
from napari_cryoorient.io.kept_inputs import refuse_replacing
from napari_cryoorient.io.mrc import read_bytes
from napari_cryoorient.io.rows_on_disk import RowsOnDisk, open_rows, read_rows
from napari_cryoorient.io.star_grammar import ParsedBlock, parse_blocks
from napari_cryoorient.io.star_lines import plain_text, special_lines
from napari_cryoorient.io.star_rows import parse_rows, text_table
from napari_cryoorient.io.star_scan import ScannedStar, is_large, scan
from napari_cryoorient.particles import Floats, Integers

_VERSION = re.compile(rb"^# version (\d+)[ \t]*$", re.MULTILINE)
_VERSION_WITHIN = 65_536  # bytes; the remark stands above the first block
# Blanks of any kind, so that other programs agree; and what begins like a mark of STAR's own.
_NEEDS_QUOTES = re.compile(r"\s|^(?:['\"#_;]|data_|loop_)", re.IGNORECASE)
_ROWS_A_WRITE = 50_000

__all__ = [
    "StarBlock",
    "StarFile",
    "quoted",
    "read_star_text",
    "text_table",
    "unquoted",
    "write_star",
]


@dataclass(frozen=True)
class StarBlock:
    """One ``data_`` block; ``table`` holds tokens as strings, columns without the underscore."""

    name: str
    table: pd.DataFrame
    is_loop: bool = True
    line: int | None = None  # of its data_ in the file it was read from

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self.table.columns]

    def with_table(self, table: pd.DataFrame) -> StarBlock:
        """Return a block with other rows in the place of this one."""
        return StarBlock(self.name, table, self.is_loop, self.line)

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.table)

    def spelled(self, name: str) -> Sequence[str]:
        """Return a column as the file spells it."""
        tokens: list[str] = self.table[name].tolist()
        return tokens

    def numbers(self, name: str) -> Floats:
        """Return a column as numbers ``(n,)``, not a number where it holds something else."""
        found: Floats = pd.to_numeric(self.table[name], errors="coerce").to_numpy(
            dtype=np.float64, na_value=np.nan, copy=True
        )  # a copy, for pandas shares its own read-only
        return found

    def parts(self) -> Iterator[pd.DataFrame]:
        """Yield the rows some thousand at a time."""
        for start in range(0, len(self.table), _ROWS_A_WRITE):
            yield self.table.iloc[start : start + _ROWS_A_WRITE]

    def forget_numbers(self) -> None:
        """Let go of numbers that are kept beside what the file spells."""


class BlockOnDisk(StarBlock):
    """A loop whose rows stay in their file; the table of all tokens is made if it is asked for."""

    _rows: RowsOnDisk

    def __init__(self, name: str, line: int | None, rows: RowsOnDisk) -> None:
        for attribute, value in (("name", name), ("is_loop", True), ("line", line)):
            object.__setattr__(self, attribute, value)
        object.__setattr__(self, "_rows", rows)

    def __getattr__(self, name: str) -> Any:
        if name != "table" or "_rows" not in self.__dict__:
            raise AttributeError(name)
        table = pd.concat(list(self._rows.parts()), ignore_index=True)
        object.__setattr__(self, "table", table)
        return table

    @property
    def rows(self) -> RowsOnDisk:
        """The rows."""
        return self._rows

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._rows.columns)

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return self._rows.n

    def spelled(self, name: str) -> Sequence[str]:
        """Return a column as the file spells it."""
        return self._rows.spelled(name)

    def numbers(self, name: str) -> Floats:
        """Return a column as numbers ``(n,)``, not a number where it holds something else."""
        return self._rows.column(name)

    def parts(self) -> Iterator[pd.DataFrame]:
        """Yield the rows some thousand at a time, from the file."""
        return self._rows.parts()

    def forget_numbers(self) -> None:
        """Let go of numbers that are kept beside what the file spells."""
        _LAST.clear()
        self._rows.forget_numbers()


class ChangedBlock(StarBlock):
    """Rows ``rows`` (rising; None: all) of a block, with columns put in as they are handed on.

    ``spelled`` gives the tokens of these columns for a part of these rows.
    """

    _changes: tuple[StarBlock, Callable[[slice], Mapping[str, list[str]]], Integers | None]

    def __init__(
        self,
        block: StarBlock,
        spelled: Callable[[slice], Mapping[str, list[str]]],
        rows: Integers | None = None,
    ) -> None:
        for attribute in ("name", "is_loop", "line"):
            object.__setattr__(self, attribute, getattr(block, attribute))
        object.__setattr__(self, "_changes", (block, spelled, rows))

    @property
    def columns(self) -> list[str]:
        """Names of the columns, new ones last."""
        block, spelled, _ = self._changes
        return list(dict.fromkeys([*block.columns, *spelled(slice(0, 0))]))

    def parts(self) -> Iterator[pd.DataFrame]:
        """Yield the rows some thousand at a time."""
        block, spelled, rows = self._changes
        read = written = 0
        for part in block.parts():
            chosen = part
            if rows is not None:
                first, last = np.searchsorted(rows, [read, read + len(part)])
                chosen = part.iloc[rows[first:last] - read]
            read += len(part)
            stop = written + len(chosen)
            yield chosen.assign(**spelled(slice(written, stop)))
            written = stop


@dataclass(frozen=True)
class StarFile:
    """A STAR file's blocks in their order."""

    blocks: tuple[StarBlock, ...]
    path: Path | None = None
    encoding: str = "utf-8"
    version: str | None = None  # RELION's "# version" remark, which it reads back
    native_pixel_size_angstrom: float | None = None  # where the file itself does not say
    cs: CsFile | None = None  # the .cs file these blocks were made of
    notes: tuple[str, ...] = ()  # what the file has that other programs read otherwise

    def block(self, name: str) -> StarBlock | None:
        """Return the block called ``name``, or None."""
        return next((block for block in self.blocks if block.name == name), None)

    def with_block(self, block: StarBlock) -> StarFile:
        """Return a copy where ``block`` stands for the one of the same name and line."""
        is_same = [(old.name, old.line) == (block.name, block.line) for old in self.blocks]
        if sum(is_same) != 1:
            raise ValueError(f"data_{block.name} stands for {sum(is_same)} blocks of this file")
        blocks = tuple(
            block if same else old for old, same in zip(self.blocks, is_same, strict=True)
        )
        return replace(self, blocks=blocks)


# The large file read last, at most one, as long as its numbers are in memory.
_LAST: list[StarFile] = []


def read_star_text(path: Path | str) -> StarFile:
    """Read the blocks of a STAR file; raises InputError if it is not one."""
    path = Path(path)
    if (lean := _last_read(path) or _left_on_disk(path)) is not None:
        return lean
    text = plain_text(read_bytes(path), path)
    encoding = "utf-8"
    if not text.isascii():
        try:
            text.decode(encoding)
        except UnicodeDecodeError:
            encoding = "latin-1"
    parsed = parse_blocks(text, special_lines(text), encoding, path)
    blocks = tuple(_with_rows(block, text, path, encoding) for block in parsed)
    return StarFile(blocks, path, encoding, _version_of(text), notes=_notes_of(parsed))


def _last_read(path: Path) -> StarFile | None:
    """Return the large file read last, if it is this one and as it was: commands look twice."""
    if _LAST and _LAST[0].path == path:
        rows = [block.rows for block in _LAST[0].blocks if isinstance(block, BlockOnDisk)]
        if all(each.has_all_numbers and each.is_still(path) for each in rows):
            return _LAST[0]
        _LAST.clear()
    return None


def _left_on_disk(path: Path) -> StarFile | None:
    """Return a file whose large loops stay in it; None for one that has to be held in memory."""
    if (file := open_rows(path)) is None:
        return None
    with file:
        scanned = scan(file, path)
        if scanned is None:
            return None
        try:
            blocks = [_on_disk(block, scanned, path) for block in scanned.blocks]
        except InputError:  # which says more where all of the text is at hand
            return None
        version = _version_of(scanned.text[:_VERSION_WITHIN])
    notes = _notes_of(scanned.blocks)
    star = StarFile(tuple(blocks), path, scanned.encoding, version, notes=notes)
    _LAST[:] = [star]
    return star


def _on_disk(block: ParsedBlock, scanned: ScannedStar, path: Path) -> StarBlock:
    if is_large(block):
        rows = read_rows(path, block.pieces, block.columns, scanned.encoding)
        return BlockOnDisk(block.name, block.line, rows)
    text = b"".join(scanned.text[start:end] for start, end in block.pieces)
    here = replace(block, pieces=[(0, len(text))] if text else [])
    return _with_rows(here, text, path, scanned.encoding)


def _version_of(text: bytes) -> str | None:
    version = _VERSION.search(text[:_VERSION_WITHIN])
    return None if version is None else version[1].decode()


def _notes_of(parsed: Sequence[ParsedBlock]) -> tuple[str, ...]:
    return tuple(
        f"data_{block.name} has a blank line between its rows (line {block.gap_line}), where "
        "RELION stops reading; the rows after it are read too"
        for block in parsed
        if block.gap_line is not None
    )


def _with_rows(block: ParsedBlock, text: bytes, path: Path, encoding: str) -> StarBlock:
    if block.is_loop:
        table = parse_rows(text, block.pieces, block.columns, block.name, path, encoding)
    else:
        table = text_table({c: [v] for c, v in zip(block.columns, block.values, strict=True)})
    return StarBlock(block.name, table, block.is_loop, block.line)


def write_star(star: StarFile, path: Path | str) -> None:
    """Write blocks in their order, whole or not at all, and never over the file they came from."""
    path = Path(path)
    if star.path is not None:
        refuse_replacing([path], [star.path])
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding=star.encoding, newline="\n") as file,
    ):
        for block in star.blocks:
            if star.version is not None:
                file.write(f"\n# version {star.version}\n")
            _write_block(block, file)


def unquoted(token: str) -> str:
    """Return a token's text without the quotes around it."""
    if len(token) > 1 and token[0] == token[-1] and token[0] in "'\"":
        return token[1:-1]
    return token


def quoted(text: str) -> str:
    """Return ``text`` as one token, in quotes where it would be read as something else without.

    Raises:
        ValueError: for text with a line's end, or with blanks behind quotes of both kinds.

    """
    if re.search(r"[\n\r\0]", text):
        raise ValueError("text of several lines is no token of a STAR file")
    if text and not _NEEDS_QUOTES.search(text):
        return text
    for mark in "'\"":
        if mark not in text:
            return f"{mark}{text}{mark}"
    for mark in "'\"":
        if not re.search(f"{mark}(?=[ \t])", text):
            return f"{mark}{text}{mark}"
    raise ValueError(f"quotes of both kinds are followed by blanks: {text}")


def _write_block(block: StarBlock, file: TextIO) -> None:
    columns = block.columns
    file.write(f"\ndata_{block.name}\n\n")
    if not block.is_loop:
        width = max((len(column) for column in columns), default=0) + 2
        for column in columns:
            file.write(f"_{column:<{width}} {block.table[column].iloc[0]}\n")
        file.write("\n")
        return
    file.write("loop_ \n")
    for number, column in enumerate(columns, start=1):
        file.write(f"_{column} #{number} \n")
    for part in block.parts():
        tokens = [part[column].tolist() for column in columns]
        file.writelines(" ".join(row) + "\n" for row in zip(*tokens, strict=True))
    file.write("\n")
