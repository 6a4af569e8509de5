"""A folder of parts: the results of fixed ranges of rows, each file whole or absent.

What is in it, and so what is left to do, is told by the names of its files alone: whoever makes a
part, and however often, the same part comes of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.array_records import read_record, write_record
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.particles import Integers, Poses

Kept = TypeVar("Kept")
TASK, FILES, STAGE = "task.json", "files.json", "stage.json"
SETUP, ROWS = "setup.npz", "rows.npy"
# A stack is cut into about so many ranges, of so many rows at least and at most.
N_RANGES, FEWEST_ROWS, MOST_ROWS = 256, 256, 4096
_PART = re.compile(r"(\d+)-(\d+)\.npz")


@dataclass(frozen=True)
class Range:
    """Rows ``start`` to ``stop - 1`` of those that a job works on."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def slice(self) -> slice:
        """These rows, to index with."""
        return slice(self.start, self.stop)


class Stage:
    """The part of a folder that belongs to one job on ``n`` rows, ``size`` of them in a range."""

    def __init__(self, folder: Path, n: int, size: int) -> None:
        self.folder = folder
        self.ranges = [Range(i, min(i + size, n)) for i in range(0, n, size)]

    def path_of(self, part: Range) -> Path:
        """Return where the result of a range lies, once it is there."""
        return self.folder / part_name(part)

    def missing(self) -> list[Range]:
        """Return the ranges that have no result yet."""
        there = {entry.name for entry in os.scandir(self.folder)}
        return [part for part in self.ranges if part_name(part) not in there]


class PartsFolder:
    """The folder of one task: a command with its settings, and the files it reads.

    ``files`` are the paths of the ``particles``, the ``map`` and the ``project_dir``, for whoever
    looks in.
    """

    def __init__(
        self, path: Path, task: Mapping[str, Any], files: Mapping[str, Path | None]
    ) -> None:
        """Raise InputError where the folder is another task's; it is made with its first file."""
        self.path = path
        self._files = {name: None if p is None else str(p.absolute()) for name, p in files.items()}
        self._task = json.loads(json.dumps(task))  # as it is read again
        known = _known_task(path)
        if known is not None and known != self._task:
            raise InputError(
                f"The folder holds parts of another task ({_difference(known, self._task)}): name "
                f"another with --parts, or remove {path}."
            )

    def _begin(self) -> None:
        for name, content in ((TASK, self._task), (FILES, self._files)):
            if read_json(self.path / name) != content:
                with atomic_path(self.path / name) as temporary:
                    temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def kept(self, name: str, kind: type[Kept], make: Callable[[], Kept]) -> Kept:
        """Return what ``make`` makes; it is made once, and read again ever after."""
        path = self.path / f"{name}.npz"
        if not path.exists():
            made = make()
            self._begin()
            write_record(made, path)
        return read_record(kind, path)

    def stage(
        self,
        name: str,
        rows: Integers,
        starts: Poses | None,
        learn: Callable[[], Any],
        file_rows: Integers | None = None,
    ) -> Stage:
        """Return the part for a job on these rows; what was made of other rows is removed.

        ``file_rows`` ``(n,)`` are the rows in the particles' file of those of the stack, None where
        they are the same.  ``learn`` returns what the whole stack tells, with ``chunk``, of which
        ranges are multiples.
        """
        folder = self.path / name
        digest = _digest_of(rows, starts)
        known = read_json(folder / STAGE)
        if known is None or known.get("digest") != digest:
            shutil.rmtree(folder, ignore_errors=True)
            setup = learn()
            self._begin()
            size = rows_of_range(len(rows), setup.chunk)
            write_record(setup, folder / SETUP)
            with atomic_path(folder / ROWS) as temporary, temporary.open("wb") as file:
                np.save(file, rows if file_rows is None else file_rows[rows])
            known = {"digest": digest, "rows": len(rows), "size": size}
            with atomic_path(folder / STAGE) as temporary:
                temporary.write_text(json.dumps(known), encoding="utf-8")
        return Stage(folder, known["rows"], known["size"])

    def remove(self) -> None:
        """Remove the folder: its results have gone where they belong."""
        shutil.rmtree(self.path, ignore_errors=True)


def rows_of_range(n: int, chunk: int) -> int:
    """Return how many of n rows a range holds: by n alone, and a multiple of ``chunk``."""
    wanted = min(max(n // N_RANGES, FEWEST_ROWS), MOST_ROWS)
    return chunk * max(1, -(-wanted // chunk))


def part_name(part: Range) -> str:
    """Return the name of the file with the result of a range."""
    return f"{part.start:010d}-{part.stop:010d}.npz"


def ranges_there(folder: Path) -> list[tuple[Range, Path]]:
    """Return the ranges that have a result in a stage's folder, in order."""
    found = []
    for path in folder.iterdir():
        if (match := _PART.fullmatch(path.name)) is not None:
            found.append((Range(int(match[1]), int(match[2])), path))
    return sorted(found, key=lambda pair: pair[0].start)


def _known_task(path: Path) -> dict[str, Any] | None:
    """Return the task that a folder belongs to, None for one that is not there or empty."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; name a folder with --parts.")
    known = read_json(path / TASK)
    if known is None and path.is_dir() and any(path.iterdir()):
        raise InputError(
            f"The folder holds files and no parts of this program's: name another than {path} with "
            "--parts."
        )
    return known


def read_json(path: Path) -> dict[str, Any] | None:
    """Read one of the folder's small files, None where it is not there; raises InputError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"A file of the folder of parts cannot be read: remove {path.parent} and start over."
        ) from error
    return content if isinstance(content, dict) else {}


def _difference(known: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """Return in words what two tasks differ in, the first such thing."""
    for name in [*task, *known]:
        before, now = known.get(name), task.get(name)
        if before == now:
            continue
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            return _difference(before, now)
        if isinstance(before, str) and len(before) == 64:  # a sum over contents
            return f"{name} is not what it was"
        return f"{name} was {before} and is {now}"
    return "of an earlier version"


def _digest_of(rows: Integers, starts: Poses | None) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(rows).tobytes())
    if starts is not None:
        digest.update(np.ascontiguousarray(starts.rotations).tobytes())
        digest.update(np.ascontiguousarray(starts.shifts_angstrom).tobytes())
    return digest.hexdigest()
