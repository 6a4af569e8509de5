"""STAR as text: blocks of tokens, each kept exactly as the file spells it.

Nothing here knows what a column means. Numbers stay strings, so that a file read and written again
has the same 0001, 1.0 and 1.421115e+05 in every cell nobody changed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.cs_file import CsFile
from napari_cryoorient.io.kept_inputs import refuse_replacing
from napari_cryoorient.io.mrc import read_bytes

_BLOCK_START = b"data_"
_VERSION = re.compile(rb"^# version (\d+)[ \t]*$", re.MULTILINE)
_VERSION_WITHIN = 65_536  # bytes; the remark stands above the first block
_COMMENT_LINE = re.compile(rb"^[ \t]*#[^\n]*\n?", re.MULTILINE)
_TOKEN = re.compile(r"'[^'\n]*'(?=\s|$)|\"[^\"\n]*\"(?=\s|$)|\S+")
_QUOTED = re.compile(rb"(?:^|[ \t])['\"]", re.MULTILINE)
_ROWS_A_READ, _ROWS_A_WRITE = 50_000, 50_000


@dataclass(frozen=True)
class StarBlock:
    """One ``data_`` block; ``table`` holds tokens as strings, columns without the underscore."""

    name: str
    table: pd.DataFrame
    is_loop: bool = True


@dataclass(frozen=True)
class StarFile:
    """A STAR file's blocks in their order."""

    blocks: tuple[StarBlock, ...]
    path: Path | None = None
    encoding: str = "utf-8"
    version: str | None = None  # RELION's "# version" remark, which it reads back
    native_pixel_size_angstrom: float | None = None  # where the file itself does not say
    cs: CsFile | None = None  # the .cs file these blocks were made of

    def block(self, name: str) -> StarBlock | None:
        """Return the block called ``name``, or None."""
        return next((block for block in self.blocks if block.name == name), None)

    def with_block(self, block: StarBlock) -> StarFile:
        """Return a copy where ``block`` stands for the one of the same name."""
        blocks = tuple(block if old.name == block.name else old for old in self.blocks)
        return replace(self, blocks=blocks)


def read_star(path: Path | str) -> StarFile:
    """Read the blocks of a STAR file; raises InputError if it is not one."""
    path = Path(path)
    text = read_bytes(path)
    if not text.strip():
        raise InputError(f"{path} is empty; copy or export it again.")
    if b"\0" in text[:4096]:
        raise InputError(f"{path} is not a STAR file: it is binary.")
    if text.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{path} is not a STAR file: it is a web page (a failed download?).")
    text = text.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    starts = _block_starts(text)
    if not starts:
        raise InputError(f"{path} is not a STAR file: it has no line that begins with data_.")
    encoding = "utf-8"
    if not text.isascii():
        try:
            text.decode(encoding)
        except UnicodeDecodeError:
            encoding = "latin-1"
    blocks = tuple(
        _parse_block(text, start, end, path, encoding)
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True)
    )
    version = _VERSION.search(text[:_VERSION_WITHIN])
    return StarFile(blocks, path, encoding, None if version is None else version[1].decode())


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
    """Return ``text`` as one token, in quotes if it is empty or has blanks."""
    if text and not re.search(r"\s", text):
        return text
    return f"'{text}'" if "'" not in text else f'"{text}"'


def text_table(columns: dict[str, list[str]]) -> pd.DataFrame:
    """Make a table of tokens."""
    return pd.DataFrame({name: pd.Series(values, dtype=str) for name, values in columns.items()})


def _block_starts(text: bytes) -> list[int]:
    # Plain searches: a regular expression over a file of a million rows takes half a minute.
    starts = []
    position = text.find(_BLOCK_START)
    while position >= 0:
        line = text.rfind(b"\n", 0, position) + 1
        if not text[line:position].strip():
            starts.append(line)
        position = text.find(_BLOCK_START, position + 1)
    return starts


def _parse_block(text: bytes, start: int, end: int, path: Path, encoding: str) -> StarBlock:
    columns: list[str] = []
    values: list[str] = []
    name = ""
    is_loop = False
    rows_start = end
    for line_start, line in _lines(text, start, end):
        if line_start == start:
            name = line.split()[0].removeprefix(_BLOCK_START).decode(encoding)
        elif line == b"loop_":
            if columns:
                raise InputError(_not_relion(path, name, "several tables in one block"))
            is_loop = True
        elif line.startswith(b"_"):
            tokens = _TOKEN.findall(line.decode(encoding))
            columns.append(tokens[0][1:])
            values.append(tokens[1] if len(tokens) > 1 and tokens[1][0] != "#" else '""')
        elif line and not line.startswith(b"#"):
            rows_start = line_start
            break
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise InputError(f"{path} names the column _{twice} twice in data_{name}; remove one.")
    if not is_loop:
        if rows_start < end:
            what = text[rows_start:end].strip().split(b"\n")[0][:40].decode(encoding)
            raise InputError(_not_relion(path, name, f"text without a column ('{what}')"))
        return StarBlock(
            name, text_table({c: [v] for c, v in zip(columns, values, strict=True)}), False
        )
    if not columns:
        raise InputError(_not_relion(path, name, "a loop_ without columns"))
    # A view: a copy of a million rows is hundreds of megabytes.
    rows = memoryview(text)[rows_start:end]
    if text.find(b"#", rows_start, end) >= 0:
        rows = memoryview(_COMMENT_LINE.sub(b"", rows))
    return StarBlock(name, _parse_rows(rows, columns, name, path, encoding))


def _not_relion(path: Path, block: str, what: str) -> str:
    return (
        f"{path} is not a STAR file as RELION writes it: {what} in data_{block} (an mmCIF model?); "
        "give a particle STAR."
    )


def _lines(text: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    while start < end:
        stop = text.find(b"\n", start, end)
        stop = end if stop < 0 else stop
        yield start, text[start:stop].strip()
        start = stop + 1


class _View(io.RawIOBase):
    """Bytes read as a file without a copy of them."""

    def __init__(self, view: memoryview) -> None:
        self._view, self._at = view, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = min(len(buffer), len(self._view) - self._at)
        buffer[:n] = self._view[self._at : self._at + n]
        self._at += n
        return n


def _parse_rows(
    rows: memoryview, columns: list[str], name: str, path: Path, encoding: str
) -> pd.DataFrame:
    if not len(rows):
        return text_table({column: [] for column in columns})
    if _QUOTED.search(rows):
        return _parse_quoted_rows(bytes(rows).decode(encoding), columns, name, path)
    try:
        # In parts, since each token is a Python string until its part is packed.
        parts = pd.read_csv(
            io.BufferedReader(_View(rows)),
            sep=r"\s+",
            header=None,
            dtype=str,
            na_filter=False,
            quoting=3,  # csv.QUOTE_NONE
            encoding=encoding,
            engine="c",
            chunksize=_ROWS_A_READ,
        )
        table = pd.concat(list(parts), ignore_index=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        raise InputError(_ragged(bytes(rows).decode(encoding), columns, name, path)) from None
    # pandas fills short rows at the end: a whole row has a last token that is not empty.
    if table.shape[1] != len(columns) or bool((table.iloc[:, -1].fillna("") == "").any()):
        raise InputError(_ragged(bytes(rows).decode(encoding), columns, name, path))
    table.columns = pd.Index(columns)
    return table


def _parse_quoted_rows(rows: str, columns: list[str], name: str, path: Path) -> pd.DataFrame:
    parsed = [_TOKEN.findall(line) for line in rows.split("\n") if line.strip()]
    if any(len(tokens) != len(columns) for tokens in parsed):
        raise InputError(_ragged(rows, columns, name, path))
    return text_table({c: list(v) for c, v in zip(columns, zip(*parsed, strict=True), strict=True)})


def _ragged(rows: str, columns: list[str], name: str, path: Path) -> str:
    lines = [line for line in rows.split("\n") if line.strip()]
    for number, line in enumerate(lines, start=1):
        found = len(_TOKEN.findall(line))
        if found != len(columns):
            last = " (the last row: is the file cut short?)" if number == len(lines) else ""
            return (
                f"{path}: row {number} of data_{name} has {found} values for {len(columns)} "
                f"columns{last}."
            )
    return f"{path}: the rows of data_{name} cannot be read."


def _write_block(block: StarBlock, file: TextIO) -> None:
    columns = list(block.table.columns)
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
    for start in range(0, len(block.table), _ROWS_A_WRITE):
        part = block.table.iloc[start : start + _ROWS_A_WRITE]
        tokens = [part[column].tolist() for column in columns]
        file.writelines(" ".join(row) + "\n" for row in zip(*tokens, strict=True))
    file.write("\n")
