"""Micrographs left out by hand, kept beside the stack from one session to the next."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.session.marks import FOLDER

COLUMN = "rlnMicrographName"


def excluded_path(star_path: Path) -> Path:
    """Return the file that keeps which micrographs of a stack are left out."""
    return star_path.parent / FOLDER / f"{star_path.stem}_excluded.csv"


def save_excluded(names: Iterable[str], star_path: Path) -> Path:
    """Write the names, a line each; raises InputError where the folder cannot be written."""
    path = excluded_path(star_path)
    try:
        path.parent.mkdir(exist_ok=True)
        with (
            atomic_path(path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow([COLUMN])
            writer.writerows([name] for name in sorted(names))
    except OSError as error:
        raise InputError(
            f"Excluded micrographs cannot be saved: {error.strerror}: {path.parent}"
        ) from error
    return path


def load_excluded(star_path: Path) -> frozenset[str]:
    """Read the names that were saved for a stack; none where there is no such file."""
    path = excluded_path(star_path)
    if not path.is_file():
        return frozenset()
    with path.open(newline="", encoding="utf-8") as file:
        return frozenset(line[COLUMN] for line in csv.DictReader(file) if line.get(COLUMN))
