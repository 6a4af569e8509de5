"""Whether the images named in a file of poses are found from where that file lies."""

from __future__ import annotations

import os
from pathlib import Path

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.image_names import stack_name
from napari_cryoorient.io.locate import StackFinder
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star_text import StarFile


def note_on_lost_images(star: StarFile, out: Path, project_dir: Path | None) -> str | None:
    """Return a note where the image names that ``out`` took from ``star`` lead nowhere from there.

    Names stay as they are, so that those that start from the folder of ``star`` are lost to a file
    in another folder. None where they are found, and where ``project_dir`` was named anyway.
    """
    if star.path is None or star.cs is not None or project_dir is not None:
        return None
    name = stack_name(ParticleTable(star).image_names()[0])
    try:
        StackFinder(out).find(name)
    except InputError:
        found = StackFinder(star.path).find(name)
        parts = Path(name).parts
        if found.parts[-len(parts) :] != parts:
            return None
        folder = Path(os.path.relpath(Path(*found.parts[: -len(parts)])))
        return (
            f"Note: {out} names its images as {star.path} does: give --project-dir {folder} "
            "to what reads it, or write it beside that file."
        )
    return None
