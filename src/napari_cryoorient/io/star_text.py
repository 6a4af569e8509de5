"""STAR as text: blocks of tokens, each kept exactly as the file spells it.

Nothing here knows what a column means. Numbers stay strings, so that a file read and written again
has the same 0001, 1.0 and 1.421115e+05 in every cell nobody changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import pandas as pd

from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.cs_file import CsFile
from napari_cryoorient.io.kept_inputs import refuse_replacing
from napari_cryoorient.io.mrc import read_bytes
from napari_cryoorient.io.star_grammar import ParsedBlock, parse_blocks
from napari_cryoorient.io.star_lines import plain_text
from napari_cryoorient.io.star_rows import parse_rows, text_table

_VERSION = re.compile(rb"^# version (\d+)[ \t]*$", re.MULTILINE)
_VERSION_WITHIN = 65_536  # bytes; the remark stands above the first block
# Blanks of any kind, so that other programs agree; and what begins like a mark of STAR's own.
_NEEDS_QUOTES = re.compile(r"\s|^(?:['\"#_;]|data_|loop_)", re.IGNORECASE)
_ROWS_A_WRITE = 50_000

__all__ = [
    "StarBlock",
    "StarFile",
    "quoted",
    "read_star",
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


def read_star(path: Path | str) -> StarFile:
    """Read the blocks of a STAR file; raises InputError if it is not one."""
    path = Path(path)
    text = plain_text(read_bytes(path), path)
    encoding = "utf-8"
    if not text.isascii():
        try:
            text.decode(encoding)
        except UnicodeDecodeError:
            encoding = "latin-1"
    parsed = parse_blocks(text, encoding, path)
    notes = tuple(
        f"data_{block.name} has a blank line between its rows (line {block.gap_line}), where "
        "RELION stops reading; the rows after it are read too"
        for block in parsed
        if block.gap_line is not None
    )
    blocks = tuple(_with_rows(block, text, path, encoding) for block in parsed)
    version = _VERSION.search(text[:_VERSION_WITHIN])
    return StarFile(
        blocks, path, encoding, None if version is None else version[1].decode(), notes=notes
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
