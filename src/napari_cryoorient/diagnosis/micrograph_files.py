"""Particles of a file by micrograph, and the table of it: what ``micrographs`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_cryoorient.config import MicrographsConfig
from napari_cryoorient.diagnosis.micrographs import MicrographFigures, micrograph_figures
from napari_cryoorient.diagnosis.pose_files import PoseFile, read_poses, write_rows
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import refuse_unwritable
from napari_cryoorient.io.new_star import printed
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star_text import StarBlock, StarFile, quoted, text_table, write_star
from napari_cryoorient.reporting import SILENT, Reporter

DEFOCUS = "rlnDefocusU", "rlnDefocusV"


@dataclass(frozen=True)
class FileMicrographs:
    """What was found, and how many particles were kept where some micrographs were left out."""

    found: MicrographFigures
    n_kept: int | None


def micrographs_of_star(
    star_path: Path,
    config: MicrographsConfig = MicrographsConfig(),
    *,
    output: Path | None = None,
    kept: Path | None = None,
    reporter: Reporter = SILENT,
) -> FileMicrographs:
    """Gather the particles of a file by micrograph.

    ``output`` gets a row for each micrograph; ``kept`` the particles of all but those left out.
    Raises InputError for a file without poses, for micrographs left out without ``kept`` or the
    other way round, and as ``micrographs_of_file`` and ``write_without``.
    """
    if bool(config.exclude) != (kept is not None):
        raise InputError("exclude and kept belong together: give both, or neither.")
    for path in (output, kept):
        if path is not None:
            refuse_unwritable(path)
    file = read_poses(star_path, keep_star=True)
    for note in file.notes_on_poses():
        reporter.say(f"Note: {note}")
    found, n_kept = replace(micrographs_of_file(file), n_named=config.worst), None
    if output is not None:
        write_figures(found, output)
    if kept is not None:
        n_kept = write_without(file, config.exclude or [], kept)
    return FileMicrographs(found, n_kept)


def micrographs_of_file(file: PoseFile) -> MicrographFigures:
    """Gather a file's particles, its columns kept, by micrograph.

    Raises InputError where it does not tell which micrograph a particle is of.
    """
    if file.micrographs is None:
        raise InputError(
            "No column names micrographs (_rlnMicrographName), and all particles are in one stack: "
            f"there is nothing to compare in {file.path}."
        )
    if file.star is None:
        raise ValueError("the columns of this file were not kept")
    table = ParticleTable(file.star)
    defocus = None
    if all(name in table for name in DEFOCUS):
        defocus = np.asarray(sum(table.floats(name) for name in DEFOCUS)) / 2
    return micrograph_figures(
        file.poses, file.micrographs, confidence=file.confidence, defocus_angstrom=defocus
    )


def write_figures(found: MicrographFigures, path: Path) -> None:
    """Write a STAR table with a row for each micrograph, outliers first."""
    order = found.order
    columns = {
        "rlnMicrographName": [quoted(found.names[i]) for i in order],
        "cryoorientParticles": [str(n) for n in found.n[order].tolist()],
        "cryoorientDeviation": printed(found.score[order]),
        "cryoorientDeviatesBy": [quoted(found.why(int(i))) for i in order],
        "cryoorientViewSpread": printed(found.view_spread_deg[order]),
        "cryoorientInPlaneAlignment": printed(found.in_plane_alignment[order]),
    }
    for name, values in (
        ("cryoorientMeanConfidence", found.mean_confidence),
        ("cryoorientMeanDefocus", found.mean_defocus_angstrom),
    ):
        if values is not None:
            columns[name] = printed(values[order])
    write_star(StarFile((StarBlock("micrographs", text_table(columns)),)), path)


def write_without(file: PoseFile, excluded: Sequence[str], path: Path) -> int:
    """Write the particles of all micrographs but those named, every column as it was.

    Returns how many.  Raises InputError for a name that no particle has, and where none is left.
    """
    if file.micrographs is None:
        raise InputError(f"No column names micrographs (_rlnMicrographName) in {file.path}.")
    names = {name: i for i, name in enumerate(file.micrographs.names)}
    for name in excluded:
        if name not in names:
            raise InputError(
                f"No particle is of a micrograph {name}: give names as the file spells them "
                f"({file.micrographs.names[0]}), in {file.path}."
            )
    places = [names[name] for name in excluded]
    kept = np.flatnonzero(~np.isin(file.micrographs.group_of, places))
    return write_rows(file, kept, path, "Without these micrographs no particle is left")
