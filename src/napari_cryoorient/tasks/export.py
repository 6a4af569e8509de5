"""Particles in the files of other programs: what the command ``export`` does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_cryoorient.config import ExportConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import refuse_unwritable
from napari_cryoorient.io.confidence import needed_confidence
from napari_cryoorient.io.cryodrgn import POSE_FILE, write_cryodrgn
from napari_cryoorient.io.cryosparc import notes_of_cs
from napari_cryoorient.io.cs_file import CsFile, write_cs
from napari_cryoorient.io.image_names import stack_name
from napari_cryoorient.io.kept_inputs import refuse_replacing
from napari_cryoorient.io.locate import StackFinder
from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.stacks import MrcStack
from napari_cryoorient.io.star import poses_of_table, read_star, refuse_kind, write_star
from napari_cryoorient.io.star_dialect import in_dialect
from napari_cryoorient.io.star_text import StarFile
from napari_cryoorient.particles import Floats


@dataclass(frozen=True)
class ExportedFiles:
    """The files written, and what there is to say about them."""

    paths: tuple[Path, ...]
    n_particles: int
    n_left_out: int
    notes: tuple[str, ...]


def export_particles(
    source: Path,
    out: Path,
    config: ExportConfig = ExportConfig(),
    *,
    project_dir: Path | None = None,
) -> ExportedFiles:
    """Write the particles of a STAR or ``.cs`` file in another form.

    ``out`` is a file, for cryoDRGN a folder.  Stacks are looked for only where the file lacks the
    box or the pixel size.

    Raises:
        InputError: for files that do not say what the form needs, or output that cannot be.

    """
    form = config.format
    if form == "cs":
        refuse_kind(source, out.with_suffix(".cs"))
    if form != "cryodrgn" and (out.suffix.lower() == ".cs") != (form == "cs"):
        ending = "has to end in .cs" if form == "cs" else "must not end in .cs"
        raise InputError(f"{out} cannot be of --format {form}: its name {ending}.")
    refuse_replacing([out], [source])
    refuse_unwritable(out / POSE_FILE if form == "cryodrgn" else out)
    star = read_star(source)
    notes = [] if star.cs is None else notes_of_cs(star.cs)
    table = ParticleTable(star)
    notes += [*table.notes, *_values_out_of_range(star, table)]
    n = particle_block(star).n_rows
    star = _confident(star, config.min_confidence)
    if form == "cs" and star.cs is not None:
        write_cs(star.cs.records, out, star.cs)
        paths = [out]
    elif form == "cryodrgn":
        paths = _to_cryodrgn(star, out, project_dir, notes)
    else:
        star, box = _measured(star, project_dir)
        star = in_dialect(star, "3.1" if form == "star" else "3.0", image_size=box)
        write_star(star, out)
        paths = [out]
        if star.cs is not None and any(name.endswith(".mrc") for name in _stack_names(star)):
            notes.append("the stacks are called .mrc; RELION wants them linked as .mrcs")
    left = particle_block(star).n_rows
    return ExportedFiles(tuple(paths), left, n - left, tuple(dict.fromkeys(notes)))


def _values_out_of_range(star: StarFile, table: ParticleTable) -> list[str]:
    """Return notes on unusual pixel sizes, poses and CTF; raise InputError for impossible ones."""
    notes: list[str] = []
    sizes: float | Floats = 1.0
    if table.names_pixel_size:
        sizes = table.pixel_sizes(star.native_pixel_size_angstrom, None, notes)
    of_poses: list[str] = []
    if poses_of_table(table, sizes, of_poses) is not None:
        notes += of_poses
    of_ctf: list[str] = []
    if table.ctf(of_ctf) is not None:
        notes += of_ctf
    return notes


def _confident(star: StarFile, least: float | None) -> StarFile:
    """Keep the particles whose confidence is at least that."""
    if least is None:
        return star
    rows = np.flatnonzero(needed_confidence(star, "--min-confidence") >= least)
    if not len(rows):
        raise InputError(f"No particle of {star.path} has a confidence of at least {least:g}.")
    block = particle_block(star)
    star = star.with_block(block.with_table(block.table.iloc[rows].reset_index(drop=True)))
    if star.cs is None:
        return star
    return replace(star, cs=CsFile(star.cs.records[rows], star.cs.path))


def _to_cryodrgn(
    star: StarFile, folder: Path, project_dir: Path | None, notes: list[str]
) -> list[Path]:
    star, box = _measured(star, project_dir)
    table = ParticleTable(star)
    if box is None and "rlnImageSize" in table:
        box = int(table.floats("rlnImageSize")[0])
    if box is None:
        raise InputError(
            f"{star.path} does not say how large the images are (rlnImageSize), and the first "
            "stack was not found to ask: name its folder with --project-dir."
        )
    pixel_size = star.native_pixel_size_angstrom or table.pixel_size(None, None, notes)
    poses, ctf = poses_of_table(table, pixel_size, notes), table.ctf(notes)
    if poses is None and ctf is None:
        raise InputError(f"{star.path} has nothing for cryoDRGN: {'; '.join(notes)}.")
    return write_cryodrgn(folder, poses, ctf, box=box, pixel_size_angstrom=pixel_size)


def _measured(star: StarFile, project_dir: Path | None) -> tuple[StarFile, int | None]:
    """Let the first stack say box and pixel size where the file does not, and it can be found."""
    table = ParticleTable(star)
    named = {"rlnImagePixelSize", "rlnPixelSize", "rlnMagnification"}
    if "rlnImageSize" in table and any(name in table for name in named):
        return star, None
    try:
        stack = MrcStack(StackFinder(star.path or Path(), project_dir).find(_stack_names(star)[0]))
    except InputError:
        return star, None
    if not any(name in table for name in named) and stack.header_pixel_size_angstrom > 0:
        star = replace(star, native_pixel_size_angstrom=stack.header_pixel_size_angstrom)
    return star, stack.native_box


def _stack_names(star: StarFile) -> list[str]:
    return [stack_name(name) for name in ParticleTable(star).image_names()]
