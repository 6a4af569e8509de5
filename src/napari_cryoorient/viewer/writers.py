"""napari's writers: poses of a layer to a particle STAR file, as RELION 3.1 or RELION 3.0 reads it.

A layer that came from a STAR file brings all of that file's rows and columns along; any other
needs ``rlnImageName`` and RELION's three angles among its features.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.image_names import stack_name
from napari_cryoorient.io.locate import StackFinder
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.stacks import MrcStack
from napari_cryoorient.io.star import StarFile, read_star, write_star
from napari_cryoorient.io.star_columns import star_of_columns, with_columns
from napari_cryoorient.io.star_dialect import Dialect, in_dialect
from napari_cryoorient.viewer.readers import METADATA_KEY, PARTICLE_SUFFIXES


def write_star_31(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a layer's poses with an optics block and origins in angstrom (RELION 3.1 and later)."""
    return _write(Path(path), attributes, "3.1")


def write_star_30(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a layer's poses as one block with origins in pixels (RELION 3.0 and before)."""
    return _write(Path(path), attributes, "3.0")


def _write(path: Path, attributes: dict[str, Any], dialect: Dialect) -> list[str]:
    what = f"The layer '{attributes.get('name', '')}'"
    features = pd.DataFrame(attributes.get("features", {}))
    source = _star_path(attributes)
    if source is None:
        star = star_of_columns(features, what)
    else:
        star = with_columns(read_star(source), features, what)
    star, image_size = _with_stack(star, source or path)
    written = in_dialect(star, dialect, image_size=image_size)
    if dialect == "3.1" and "rlnImagePixelSize" not in ParticleTable(written):
        warnings.warn(
            f"{path} names no pixel size, and its stacks were not found: add "
            "rlnImagePixelSize before RELION reads it.",
            stacklevel=2,
        )
    write_star(written, path)
    return [str(path)]


def _star_path(attributes: dict[str, Any]) -> Path | None:
    """Return the STAR or .cs file a layer came from, if it did.

    Raises:
        InputError: if it is gone.

    """
    ours = attributes.get("metadata", {}).get(METADATA_KEY, {})
    text = ours.get("path")
    if not text or Path(text).suffix.lower() not in PARTICLE_SUFFIXES:
        return None
    if not Path(text).is_file():
        raise InputError(f"{text}, which the layer came from, is gone; put it back to save poses.")
    return Path(text)


def _with_stack(star: StarFile, path: Path) -> tuple[StarFile, int | None]:
    """Let the first stack say pixel size and box in pixels where the file does not, and it can."""
    table = ParticleTable(star)
    name = stack_name(table.image_names()[0])
    try:
        stack = MrcStack(StackFinder(path).find(name))
    except (InputError, OSError):
        return star, None
    pixel_size = star.native_pixel_size_angstrom or stack.header_pixel_size_angstrom or None
    return replace(star, native_pixel_size_angstrom=pixel_size), stack.native_box
