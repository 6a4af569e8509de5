"""The one place that decides whether a file may be written: never one that is being read.

Commands ask before any work, with all that they read and all that they may write. What slips
through is stopped where files are replaced: readers note each file here, and ``atomic_path`` asks.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_cryoorient.errors import InputError

Identity = tuple[int, int]  # device and inode: alike for every path and link to one file

_PIPES = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device"}


class _FilesRead:
    """What a command has read so far, and what it has made itself, which it may make again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.read: dict[Identity, Path] = {}
        self._made: set[Identity] = set()

    def add(self, path: Path) -> None:
        known = identity_of(path)
        with self._lock:
            if known is not None and known not in self._made:
                self.read.setdefault(known, path)

    def remove(self, path: Path) -> None:
        known = identity_of(path)
        with self._lock:
            if known is not None:
                self.read.pop(known, None)
                self._made.add(known)


_watched: _FilesRead | None = None


def identity_of(path: Path | str) -> Identity | None:
    """Return device and inode of what a path leads to, links followed; None where nothing is."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def refuse_replacing(
    outputs: Iterable[Path], inputs: Iterable[Path] | dict[Identity, Path]
) -> None:
    """Raise InputError where one of ``outputs`` is one of ``inputs``, by whatever path or link."""
    known = inputs if isinstance(inputs, dict) else _identities(inputs)
    for output in outputs:
        found = identity_of(output)
        if found is None or found not in known:
            continue
        read = known[found]
        link = "" if _is_same_name(output, read) else f", which is the same file as {output}"
        raise InputError(
            f"An input would be overwritten: give the output another name than {read}{link}."
        )


def refuse_twice(outputs: Iterable[Path]) -> None:
    """Raise InputError where two outputs of one command go to one file."""
    seen: set[str] = set()
    for output in outputs:
        name = os.path.realpath(output)
        if name in seen:
            raise InputError(f"Two outputs would go to one file: give each its own, not {output}.")
        seen.add(name)


def refuse_protected(outputs: Iterable[Path]) -> None:
    """Raise InputError for a file that nobody may write: renaming would replace it all the same."""
    for output in outputs:
        with suppress(OSError):
            if not os.stat(output).st_mode & 0o222:
                raise InputError(
                    f"The output exists and is write-protected: give another name than {output}, "
                    "or allow writing with chmod u+w."
                )


def refuse_pipe(path: Path | str) -> None:
    """Raise InputError for what can be read once only, or never ends, without opening it.

    A program that waits to write into the pipe is let go.
    """
    try:
        kind = _PIPES.get(stat.S_IFMT(os.stat(path).st_mode))
    except (OSError, ValueError):
        return
    if kind is None:
        return
    if kind == "a pipe":
        with suppress(OSError):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    raise InputError(
        f"Input is read more than once, which {kind} does not allow: write it to a file and name "
        f"that instead of {path}."
    )


@contextmanager
def watching_inputs() -> Iterator[None]:
    """Within the block no file that was read is replaced."""
    global _watched
    before, _watched = _watched, _FilesRead()
    try:
        yield
    finally:
        _watched = before


def note_read(path: Path | str) -> None:
    """Note that a file is an input of the running command, if there is one."""
    if _watched is not None:
        _watched.add(Path(path))


def note_made(path: Path | str) -> None:
    """Note that a file is the command's own: made by it, or looked at only to be replaced."""
    if _watched is not None:
        _watched.remove(Path(path))


def refuse_replacing_read(path: Path | str) -> None:
    """Raise InputError where a file is an input of the running command."""
    if _watched is not None and _watched.read:
        refuse_replacing([Path(path)], _watched.read)


def _identities(paths: Iterable[Path]) -> dict[Identity, Path]:
    found = ((identity_of(path), path) for path in paths)
    return {known: path for known, path in reversed(list(found)) if known is not None}


def _is_same_name(a: Path, b: Path) -> bool:
    return os.path.abspath(a) == os.path.abspath(b)
