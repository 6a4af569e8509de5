"""The grammar of STAR files as RELION writes them: lines become blocks, each row in its block.

A block is ``data_NAME``, then ``loop_``, labels and rows, or labels with one value each. What a
line is depends on where it stands: within a loop of several columns a line of as many values is a
row, whatever it begins with, and ``data_NAME`` alone on its line opens a block. What fits nowhere
is refused with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star_lines import all_tokens, tokens_of

_DATA, _LOOP = "data_", "loop_"
_NO_VALUE = '""'
_A_LOOK = 1 << 16  # bytes
_SPACE_AND_COMMENTS = re.compile(rb"(?:[ \t\n]+|#[^\n]*)*")


class Text(Protocol):
    """Bytes of a file, in memory or still on disk."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: slice, /) -> bytes: ...


@dataclass
class ParsedBlock:
    """A block with its rows as pieces of the text still; ``values`` are those of a list."""

    name: str
    line: int  # of its data_, from 1
    is_loop: bool = False
    columns: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    pieces: list[tuple[int, int]] = field(default_factory=list)  # (start, end) bytes of rows
    gap_line: int | None = None  # a blank line with rows after it


def parse_blocks(
    text: Text, lines: Iterable[tuple[int, int, int]], encoding: str, path: Path
) -> list[ParsedBlock]:
    """Return the blocks of a STAR file, ``lines`` of which are special (``special_lines``).

    Raises InputError naming the line that is none of STAR.
    """
    parser = _Parser(text, encoding, path)
    rows_from = rows_line = 0  # where the lines after the last special one begin
    for number, start, end in lines:
        if number > rows_line:
            parser.rows(rows_line, rows_from, start)
        if start < len(text):
            parser.line(number, start, end)
        rows_from, rows_line = end + 1, number + 1
    return parser.finished()


class _Parser:
    """Where in the grammar the reading stands."""

    def __init__(self, text: Text, encoding: str, path: Path) -> None:
        self._text, self._encoding, self._path = text, encoding, path
        self._blocks: list[ParsedBlock] = []
        self._blank_line: int | None = None  # the last one since a row of this block
        self._is_after_row = False

    def finished(self) -> list[ParsedBlock]:
        if not self._blocks:
            raise InputError(
                f"{self._path} is not a STAR file: it has no line that begins with data_."
            )
        for block in self._blocks:
            if block.is_loop and not block.columns:
                raise self._not_relion(block.line - 1, "a loop_ without columns")
        return self._blocks

    def rows(self, number: int, start: int, end: int) -> None:
        """Take lines from ``start`` to ``end`` that can be nothing but rows."""
        block = self._blocks[-1] if self._blocks else None
        if block is None:
            if b"\ndata_" not in self._text[start:]:
                raise InputError(
                    f"{self._path} is not a STAR file: it has no line that begins with data_."
                )
            raise self._refused(number, f"'{self._words(start)}' stands before the first data_")
        if not block.is_loop:
            reason = f"text without a column ('{self._words(start)}')"
            is_list = any(value != _NO_VALUE for value in block.values)
            if block.columns and not is_list and self._text[start : start + 1] != b";":
                reason = f"rows without a loop_ above their labels ('{self._words(start)}')"
            raise self._not_relion(number, reason)
        if not block.columns:
            raise self._not_relion(number, "a loop_ without columns")
        if self._blank_line is not None and block.pieces:
            block.gap_line = block.gap_line or self._blank_line
        self._blank_line = None
        if block.pieces and block.pieces[-1][1] == start:
            start = block.pieces.pop()[0]
        block.pieces.append((start, end))
        self._is_after_row = True

    def line(self, number: int, start: int, end: int) -> None:
        """Take one line that may be something else than a row."""
        line = self._text[start:end].decode(self._encoding)
        tokens = tokens_of(line)
        block = self._blocks[-1] if self._blocks else None
        n_columns = len(block.columns) if block is not None and block.is_loop else 0
        if not tokens:
            self._comment(number, line, n_columns)
            return
        first = tokens[0]
        if (n_columns > 1 and len(tokens) == n_columns and self._is_row(tokens)) or (
            n_columns == 1 and len(tokens) == 1 and self._is_only_cell(first, end)
        ):
            self.rows(number, start, min(end + 1, len(self._text)))
        elif first.lower().startswith(_DATA):
            self._open_block(number, tokens, block, n_columns)
        elif first.startswith("_"):
            self._label(number, tokens, block)
        elif first.lower() == _LOOP:
            self._open_loop(number, tokens, block)
        else:  # loop_ and more letters, in a row of another length, or outside rows
            self.rows(number, start, min(end + 1, len(self._text)))

    def _is_row(self, tokens: list[str]) -> bool:
        """Tell a row of several values from a label whose number lacks its ``#``."""
        block = self._blocks[-1]
        is_numbered = len(tokens) == 2 and tokens[1] == str(len(block.columns) + 1)
        return bool(block.pieces) or not (tokens[0].startswith("_") and is_numbered)

    def _is_only_cell(self, word: str, end: int) -> bool:
        """Tell a value of a loop with one column from what may follow that loop.

        It stands right below another row, or is the first, and no label or loop_ comes next.
        """
        has_rows = bool(self._blocks[-1].pieces)
        if word.lower() in (_LOOP, _DATA) or (has_rows and not self._is_after_row):
            return False
        if word.startswith("_"):
            return has_rows
        following = _past_comments(self._text[end : end + _A_LOOK])
        if len(following) < len(b"loop_"):
            following = _past_comments(self._text[end:])
        return not following.startswith((b"_", b"loop_"))

    def _comment(self, number: int, line: str, n_columns: int) -> None:
        words = all_tokens(line)
        if not words:
            self._blank_line = number + 1
        elif n_columns > 1 and len(words) == n_columns and words[0] != "#":
            raise self._refused(
                number,
                f"'{line.strip()[:40]}' begins with # and has as many values as a row of "
                f"data_{self._blocks[-1].name}: delete it if it is a comment, and put its first "
                "value in quotes if it is a row",
            )
        self._is_after_row = False

    def _open_block(
        self, number: int, tokens: list[str], block: ParsedBlock | None, n_columns: int
    ) -> None:
        if len(tokens) > 1:
            where = "" if block is None else f" in data_{block.name}"
            wanted = f", and a row there has {n_columns}" if n_columns else ""
            raise self._refused(
                number, f"'{tokens[0][:40]}' has {len(tokens)} values{where}{wanted}"
            )
        if not tokens[0].startswith(_DATA):
            raise self._capitals(number, tokens[0], _DATA)
        self._is_after_row = False
        self._blocks.append(ParsedBlock(tokens[0][len(_DATA) :], number + 1))
        self._blank_line = None

    def _open_loop(self, number: int, tokens: list[str], block: ParsedBlock | None) -> None:
        if len(tokens) > 1:
            raise self._refused(number, f"loop_ is followed by '{tokens[1][:40]}' in its line")
        if tokens[0] != _LOOP:
            raise self._capitals(number, tokens[0], _LOOP)
        if block is None:
            raise self._refused(number, "loop_ stands before the first data_")
        if block.is_loop or block.columns:
            raise self._not_relion(number, "several tables in one block")
        block.is_loop = True

    def _label(self, number: int, tokens: list[str], block: ParsedBlock | None) -> None:
        if block is None:
            raise self._refused(number, f"'{tokens[0][:40]}' stands before the first data_")
        if block.pieces:
            found = f"'{tokens[0][:40]}' with {len(tokens)} values"
            raise self._not_relion(
                number, f"{found} below rows of {len(block.columns)}, several tables in one block"
            )
        name, hash_mark, _ = tokens[0][1:].partition("#")  # a number right at its label
        values = [] if hash_mark else tokens[1:]
        if block.is_loop and values:
            raise self._refused(
                number, f"'{tokens[0][:40]}' is followed by '{values[0][:40]}' without a # before"
            )
        if len(values) > 1:
            raise self._refused(number, f"'{tokens[0][:40]}' has {len(values)} values")
        if name in block.columns:
            raise InputError(
                f"{self._path} names the column _{name} twice in data_{block.name} (line "
                f"{number + 1}); remove one."
            )
        block.columns.append(name)
        block.values.append(values[0] if values else _NO_VALUE)

    def _words(self, start: int) -> str:
        line = self._text[start : start + 200].strip().split(b"\n")[0]
        return line[:40].decode(self._encoding, "replace")

    def _refused(self, number: int, what: str) -> InputError:
        return InputError(f"{self._path}, line {number + 1}: {what}.")

    def _capitals(self, number: int, found: str, wanted: str) -> InputError:
        return self._refused(
            number,
            f"'{found[:40]}' has capital letters; write {wanted} in small ones, as RELION does",
        )

    def _not_relion(self, number: int, what: str) -> InputError:
        name = self._blocks[-1].name if self._blocks else ""
        return InputError(
            f"{self._path} is not a STAR file as RELION writes it: {what} in data_{name}, line "
            f"{number + 1} (an mmCIF model?); give a particle STAR."
        )


def _past_comments(text: bytes) -> bytes:
    found = _SPACE_AND_COMMENTS.match(text)
    return text if found is None else text[found.end() :]
