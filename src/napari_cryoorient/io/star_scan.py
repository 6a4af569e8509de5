"""A large STAR file looked through piece by piece: its blocks, and where in it their rows lie."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.mrc import compression
from napari_cryoorient.io.star_grammar import ParsedBlock, parse_blocks
from napari_cryoorient.io.star_lines import plain_text, special_lines
from napari_cryoorient.io.star_rows import needs_tokens

# Files and rows of less text than this are held in memory.
LARGE_BYTES = 1 << 26
_BYTES_AT_ONCE = 1 << 24


class FileText:
    """The bytes of an open file, which stay there."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._n = os.fstat(file.fileno()).st_size

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, place: slice, /) -> bytes:
        start, stop, _ = place.indices(self._n)
        self._file.seek(start)
        return b"".join(self._read(stop - start))

    def _read(self, n: int) -> Iterator[bytes]:
        while n > 0 and (block := self._file.read(n)):
            n -= len(block)
            yield block

    def whole_lines(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield where pieces of some megabytes begin, and the pieces, which end with a line."""
        n = _BYTES_AT_ONCE
        while start < end:
            piece = self[start : min(start + n, end)]
            if start + len(piece) < end:
                piece = piece[: piece.rfind(b"\n") + 1]
            if not piece:  # a line longer than that
                n *= 2
                continue
            yield start, piece
            start += len(piece)


@dataclass(frozen=True)
class ScannedStar:
    """The blocks of a file whose text is plain, as bytes of the file."""

    text: FileText
    blocks: list[ParsedBlock]
    encoding: str


def scan(file: io.FileIO, path: Path) -> ScannedStar | None:
    """Look through an open STAR file in bounded memory.

    None for a small one, and for one with something that takes all of its text to be read or to be
    told: packed, with line ends of another kind, with quotes or comments in many rows, or damaged.
    """
    text = FileText(file)
    if len(text) < LARGE_BYTES or compression(path) is not None:
        return None
    try:
        lines, encoding = _special_lines(text, path)
        blocks = parse_blocks(text, lines, encoding, path)
    except InputError:
        return None
    if any(_needs_tokens(text, block) for block in blocks if is_large(block)):
        return None
    return ScannedStar(text, blocks, encoding)


def is_large(block: ParsedBlock) -> bool:
    """Tell whether a block is a loop with so many rows that they stay in their file."""
    return block.is_loop and sum(end - start for start, end in block.pieces) >= LARGE_BYTES


def _special_lines(text: FileText, path: Path) -> tuple[list[tuple[int, int, int]], str]:
    """Return the lines that may be no rows, as ``special_lines`` has them, and the encoding."""
    lines, n_lines, encoding = [], 0, "utf-8"
    for offset, piece in text.whole_lines(0, len(text)):
        if plain_text(piece, path) != piece:
            raise InputError(f"{path} has line ends of another kind.")
        encoding = "latin-1" if encoding == "latin-1" or not _is_utf8(piece) else encoding
        *special, (n_here, _, _) = special_lines(piece)
        lines += [(n_lines + n, offset + start, offset + end) for n, start, end in special]
        n_lines += n_here
    return [*lines, (n_lines, len(text), len(text))], encoding


def _is_utf8(piece: bytes) -> bool:
    if piece.isascii():
        return True
    try:
        piece.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _needs_tokens(text: FileText, block: ParsedBlock) -> bool:
    return any(
        needs_tokens(piece, [(0, len(piece))])
        for start, end in block.pieces
        for _, piece in text.whole_lines(start, end)
    )
