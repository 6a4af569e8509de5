"""Pictures of micrographs: found beside a particle file, read small enough for a screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.locate import StackFinder
from napari_cryoorient.io.mrc import HEADER_BYTES, compression, parse_layout
from napari_cryoorient.particles import Images

MOST_PIXELS = 512  # of a side, as shown
_ROWS_AT_ONCE = 512


def find_micrograph(name: str, star_path: Path, project_dir: Path | None = None) -> Path | None:
    """Return the file of a micrograph, looked for where stacks are; None where it is not there."""
    for folder in StackFinder(star_path, project_dir).folders:
        path = folder / name
        try:
            if path.is_file():
                return path
        except OSError:
            continue
    return None


def read_small(path: Path) -> tuple[Images, int]:
    """Read the first section of an MRC file ``(rows, columns)``, pixels put together in squares.

    Returns it with the side of such a square in pixels of the file.  Raises InputError for what is
    no MRC file that can be mapped.
    """
    if compression(path) is not None:
        raise InputError(f"Compressed micrographs are not shown: {path}")
    with path.open("rb") as file:
        layout = parse_layout(file.read(HEADER_BYTES), path.stat().st_size, path)
    section = np.memmap(path, layout.dtype, "r", layout.offset, layout.shape)[0]
    step = -(-max(section.shape) // MOST_PIXELS)
    rows, columns = (edge // step for edge in section.shape)
    small = np.empty((rows, columns), dtype=np.float32)
    at_once = max(_ROWS_AT_ONCE // step, 1)
    for start in range(0, rows, at_once):
        stop = min(start + at_once, rows)
        block = np.asarray(section[start * step : stop * step, : columns * step], dtype=np.float32)
        small[start:stop] = block.reshape(stop - start, step, columns, step).mean(axis=(1, 3))
    return np.nan_to_num(small, posinf=0.0, neginf=0.0), step
