"""Particles by micrograph, outliers first."""

from __future__ import annotations

from pathlib import Path

from napari_cryoorient.api.files import AnyPath
from napari_cryoorient.diagnosis.micrograph_files import micrographs_of_star
from napari_cryoorient.diagnosis.micrographs import MicrographFigures


def micrographs(path: AnyPath) -> MicrographFigures:
    """Rank the micrographs of a STAR or ``.cs`` file by how unlike the others' their particles are.

    Images are not read.  Raises InputError for a file without poses, or that does not tell
    which micrograph a particle is of.
    """
    return micrographs_of_star(Path(path))[0]
