"""The lines of a STAR file: its bytes made plain, and those lines that are not simply rows.

A file of a million rows has a few lines that open a block, name a column or are blank. They are
told from rows by their first letters, for all lines at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Integers

_BYTES_AT_ONCE = 1 << 24
_MOST_BLANKS = 40  # at the start of a line; longer ones are counted one line at a time
_NEWLINE = ord("\n")
_MARKS = b"#_\n"
_WORDS = (b"data_", b"loop_")
_UTF16_STARTS = (b"\xff\xfe", b"\xfe\xff")
_UTF16_WORDS = ("data_".encode("utf-16-le"), "data_".encode("utf-16-be"))

_BLANK = re.compile(rb"\s*")
# Only blanks and tabs part tokens. A quote ends where a blank or the line's end follows it.
_TOKEN = re.compile(
    r"""'(?:[^']|'(?![ \t]|$))*'(?=[ \t]|$)"""
    r"""|"(?:[^"]|"(?![ \t]|$))*"(?=[ \t]|$)"""
    r"""|[^ \t]+"""
)


def plain_text(content: bytes, path: Path) -> bytes:
    """Return a file's bytes with one line feed at each line's end.

    Raises:
        InputError: for what is no STAR file, or is one in a coding that RELION does not read.

    """
    # Not by stripping, which copies all of it.
    blank = _BLANK.match(content)
    begins = 0 if blank is None else blank.end()
    if begins == len(content):
        raise InputError(f"{path} is empty; copy or export it again.")
    if content.startswith(_UTF16_STARTS) or any(word in content[:4096] for word in _UTF16_WORDS):
        raise InputError(
            f"{path} is text in UTF-16, which RELION does not read either; save it as UTF-8."
        )
    if b"\0" in content:
        raise InputError(f"{path} is not a STAR file: it is binary.")
    if content[begins : begins + 9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{path} is not a STAR file: it is a web page (a failed download?).")
    text = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    if (lone := text.find(b"\r")) >= 0:
        raise InputError(
            f"{path} has a carriage return without a line feed in line {line_number(text, lone)} "
            "(line ends of old Macs?); write line feeds in its place (tr '\\r' '\\n')."
        )
    return text


def line_number(text: bytes, position: int) -> int:
    """Return the number of the line, from 1, that a byte lies in."""
    return text.count(b"\n", 0, position) + 1


def tokens_of(line: str) -> list[str]:
    """Return the tokens of a line, quotes kept, a comment at its end left out."""
    tokens = all_tokens(line)
    comment = next((i for i, token in enumerate(tokens) if token.startswith("#")), None)
    return tokens[:comment]


def all_tokens(line: str) -> list[str]:
    """Return the tokens of a line, the words of a comment too."""
    return _TOKEN.findall(line)


def is_open_quote(token: str) -> bool:
    """Tell whether a token begins with a quote that nothing closes, which RELION refuses."""
    return token[0] in "'\"" and (len(token) == 1 or token[-1] != token[0])


def special_lines(text: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield number (from 0), start and end of each line that may not be a plain row.

    Those are blank lines and lines whose first word begins with ``#``, ``_``, ``data_`` or
    ``loop_``, in capitals or not. The last is an empty line at the end of the text.
    """
    letters = np.frombuffer(text, np.uint8)
    starts = _line_starts(letters)
    numbers = np.flatnonzero(_is_special(letters, starts, text))
    last_end = len(text) - text.endswith(b"\n")
    for number in numbers.tolist():
        start = int(starts[number])
        end = int(starts[number + 1]) - 1 if number + 1 < len(starts) else last_end
        yield number, start, end
    yield len(starts), len(text), len(text)


def _line_starts(letters: NDArray[np.uint8]) -> Integers:
    """Return where lines begin; nothing after the last line feed is no line."""
    parts = [np.zeros(1, dtype=np.int64)]
    for start in range(0, len(letters), _BYTES_AT_ONCE):
        part = letters[start : start + _BYTES_AT_ONCE] == _NEWLINE
        parts.append(np.flatnonzero(part) + (start + 1))
    starts = np.concatenate(parts)
    return starts[:-1] if len(starts) > 1 and starts[-1] == len(letters) else starts


def _is_special(letters: NDArray[np.uint8], starts: Integers, text: bytes) -> NDArray[np.bool_]:
    first = starts.copy()
    waiting = np.arange(len(starts))
    for _ in range(_MOST_BLANKS):
        waiting = waiting[np.isin(_at(letters, first[waiting]), (ord(" "), ord("\t")))]
        if not len(waiting):
            break
        first[waiting] += 1
    blanks = re.compile(rb"[ \t]*")
    for line in waiting.tolist():
        found = blanks.match(text, int(first[line]))
        first[line] = first[line] if found is None else found.end()
    of_letter = np.zeros(256, dtype=np.bool_)
    of_letter[list(_MARKS)] = True
    begins = _at(letters, first)
    special: NDArray[np.bool_] = of_letter[begins]
    for word in _WORDS:
        lines = np.flatnonzero((begins | 0x20) == word[0])
        for i, letter in enumerate(word[1:], start=1):
            # Capitals differ from small letters by one bit, which "_" has not.
            bit = 0x20 if letter != ord("_") else 0
            lines = lines[(_at(letters, first[lines] + i) | bit) == letter]
        special[lines] = True
    return special


def _at(letters: NDArray[np.uint8], positions: Integers) -> NDArray[np.uint8]:
    """Return the letters at some positions; a line feed beyond the end."""
    inside = letters[positions.clip(max=len(letters) - 1)]
    return np.where(positions < len(letters), inside, np.uint8(_NEWLINE))
