"""Marks by hand: which particles the user keeps or rejects, whatever their figures say.

A mark belongs to a row of the STAR file, so that it outlives the view it was made in.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.particles import Integers

Mark = Literal["keep", "reject"]
FOLDER = "cryoorient"


class Marks:
    """The marks of one stack, by row, with what undo and redo need."""

    def __init__(self, marks: dict[int, Mark] | None = None) -> None:
        self._marks: dict[int, Mark] = dict(marks or {})
        self._done: list[tuple[int, Mark | None, Mark | None]] = []  # row, before, after
        self._undone: list[tuple[int, Mark | None, Mark | None]] = []

    def __len__(self) -> int:
        return len(self._marks)

    def of(self, row: int) -> Mark | None:
        """Return the mark of a row, or None."""
        return self._marks.get(row)

    def rows(self, mark: Mark) -> Integers:
        """Return the rows with a mark, in order."""
        return np.array(sorted(r for r, m in self._marks.items() if m == mark), dtype=np.int64)

    def set(self, row: int, mark: Mark | None) -> bool:
        """Mark a row, or take its mark away; tell whether that changed anything."""
        before = self.of(row)
        if row < 0 or mark == before:
            return False
        self._put(row, mark)
        self._done.append((row, before, mark))
        self._undone.clear()
        return True

    @property
    def can_undo(self) -> bool:
        """Whether there is a mark to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether a mark was taken back that could be made again."""
        return bool(self._undone)

    def undo(self) -> int | None:
        """Take the last change back and return its row; None where there is none."""
        if not self._done:
            return None
        change = self._done.pop()
        self._undone.append(change)
        self._put(change[0], change[1])
        return change[0]

    def redo(self) -> int | None:
        """Make the last change again that was taken back, and return its row."""
        if not self._undone:
            return None
        change = self._undone.pop()
        self._done.append(change)
        self._put(change[0], change[2])
        return change[0]

    def _put(self, row: int, mark: Mark | None) -> None:
        if mark is None:
            self._marks.pop(row, None)
        else:
            self._marks[row] = mark


def marks_path(star_path: Path) -> Path:
    """Return the file that keeps the marks of a stack."""
    return star_path.parent / FOLDER / f"{star_path.stem}_marks.csv"


def save_marks(marks: Marks, star_path: Path, names: tuple[str, ...]) -> Path:
    """Write the marks beside the stack, a line each: image name and mark.

    Raises:
        InputError: where the folder cannot be written.

    """
    path = marks_path(star_path)
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"Marks cannot be saved: {error.strerror}: {path.parent}") from error
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["rlnImageName", "mark"])
        for mark in ("keep", "reject"):
            writer.writerows([names[row], mark] for row in marks.rows(mark))
    return path


def load_marks(star_path: Path, names: tuple[str, ...]) -> Marks:
    """Read the marks of a stack by image name; none where there is no such file."""
    path = marks_path(star_path)
    if not path.is_file():
        return Marks()
    row_of = {name: row for row, name in enumerate(names)}
    found: dict[int, Mark] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            row, mark = row_of.get(line.get("rlnImageName") or ""), line.get("mark")
            if row is not None and mark == "keep":
                found[row] = "keep"
            elif row is not None and mark == "reject":
                found[row] = "reject"
    return Marks(found)
