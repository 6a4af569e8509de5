"""Where the image names of a stack start from, for files in other folders that name them too."""

from __future__ import annotations

from pathlib import Path

from napari_cryoorient.io.image_names import stack_name
from napari_cryoorient.io.locate import StackFinder
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star import read_star


def project_folder_of(star_path: Path, project_dir: Path | None) -> Path | None:
    """Return the folder that the first image's name starts from.

    None where the name is absolute, or its stack was found by its last part alone.  Raises
    InputError where it is not found.
    """
    name = stack_name(ParticleTable(read_star(star_path)).image_names()[0])
    found = StackFinder(star_path, project_dir).find(name).resolve()
    parts = Path(name).parts
    if Path(name).is_absolute() or found.parts[-len(parts) :] != parts:
        return project_dir
    return Path(*found.parts[: -len(parts)])
