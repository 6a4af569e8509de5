"""Particle STAR files: RELION's names, Euler angles and origins become poses and back.

RELION's origin is what moves the image's object to the centre; ``Poses`` hold where the object
lies, so the sign turns here and nowhere else. Origins are angstrom (rlnOriginXAngst) or pixels
(rlnOriginX, before 3.1); where a file has both, angstrom wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.euler import euler_zyz_deg_to_matrix, matrix_to_euler_zyz_deg
from napari_cryoorient.io.aberrations import Lenses, describe_aberrations, lenses_of_table
from napari_cryoorient.io.common_field import images_of_stacks
from napari_cryoorient.io.cryosparc import cs_with_poses, notes_of_cs, signs_of_cs, star_of_cs
from napari_cryoorient.io.cs_file import SUFFIX, is_cs, read_cs, refuse_group, write_cs
from napari_cryoorient.io.ctf_values import named_rows
from napari_cryoorient.io.finite import refuse_poses_not_finite
from napari_cryoorient.io.locate import StackFinder
from napari_cryoorient.io.long_arrays import let_go, some_rows
from napari_cryoorient.io.new_star import (
    ANGLES,
    CONFIDENCE,
    ORIGINS_ANGSTROM,
    ORIGINS_PIXELS,
    new_particle_star,
    printed,
)
from napari_cryoorient.io.open_stacks import open_stacks
from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.pose_values import check_angles, far_shifts, note_origins
from napari_cryoorient.io.star_text import (
    ChangedBlock,
    StarBlock,
    StarFile,
    read_star_text,
    write_star,
)
from napari_cryoorient.particles import (
    Floats,
    Integers,
    PackedNames,
    ParticleSet,
    Poses,
    picked_names,
)

__all__ = [
    "StarBlock",
    "StarFile",
    "new_particle_star",
    "read_particles",
    "read_star",
    "write_poses",
    "write_star",
]

_UNKNOWN_ANGLE = -999.0  # RELION's mark for an angle nobody has determined
# How strong refinement found each image to be; differences below this part of the mean are none.
# Values so many times the median, or as much less, are no strengths.
_NORM, _SAME_NORM, _ODD_NORM = "rlnNormCorrection", 1e-6, 100.0
_PIXEL_SIZE_NOTE = 1e-2  # relative; a larger difference from the stack's header is worth a note


def read_star(path: Path | str) -> StarFile:
    """Read a STAR file; a ``.cs`` file of cryoSPARC's comes as the STAR file it amounts to.

    Raises InputError if it is neither.
    """
    refuse_group(path)
    return star_of_cs(read_cs(path)) if is_cs(path) else read_star_text(path)


def refuse_kind(source: Path | str, path: Path | str) -> None:
    """Raise InputError if poses of file ``source`` cannot be written as the kind ``path`` names."""
    if Path(path).suffix.lower() == SUFFIX and not is_cs(source):
        raise InputError(
            f"{path} cannot be written from {source}: a .cs file is made of the .cs file that was "
            "read; write OUT.star, which cryoSPARC imports (Import Particle Stack)."
        )


def read_particles(
    path: Path | str,
    *,
    project_dir: Path | str | None = None,
    box: int | None = None,
    pixel_size_angstrom: float | None = None,
    with_ctf: bool = True,
) -> tuple[ParticleSet, StarFile]:
    """Read a particle STAR or ``.cs`` and open its stacks, resampled to ``box`` pixels if given.

    ``project_dir`` is the folder stack paths start from; the usual places are looked at anyway.
    ``pixel_size_angstrom`` is that of the stacks as they lie on disk, for files that do not say.
    ``with_ctf`` False leaves the CTF columns unread, whatever is in them.
    Poses or CTF are None, with a note, where the file lacks them. Raises InputError.
    """
    path = Path(path)
    star = read_star(path)
    table = ParticleTable(star)
    notes = [*([] if star.cs is None else notes_of_cs(star.cs)), *table.notes]
    names = table.image_names()
    finder = StackFinder(path, project_dir)
    stacks, stack_of, section_of = open_stacks(names, finder, path)
    boxes = np.array([stack.native_box for stack in stacks], dtype=np.int64)[stack_of]
    table.check_image_sizes(boxes)
    pixel_sizes = table.pixel_sizes(pixel_size_angstrom, stacks[0], notes)
    images = images_of_stacks(
        *(stacks, stack_of, section_of, pixel_sizes),
        box=box,
        factors=_norm_factors(table, notes) if star.cs is None else signs_of_cs(star.cs),
    )
    native_pixel_size = float(pixel_sizes[stack_of == 0][0])
    header_pixel_size = stacks[0].header_pixel_size_angstrom
    if header_pixel_size not in (0.0, 1.0) and (
        abs(header_pixel_size / native_pixel_size - 1) > _PIXEL_SIZE_NOTE
    ):
        notes.append(
            f"the stack's header says {header_pixel_size:.4g} A a pixel, the STAR "
            f"{native_pixel_size:.4g} A; the STAR's is used"
        )
    lenses = lenses_of_table(table)
    notes += describe_aberrations(table, lenses)
    poses = poses_of_table(table, pixel_sizes, notes, lenses)
    if poses is not None:
        notes += far_shifts(poses.shifts_angstrom, boxes * pixel_sizes)
    notes += _listed_twice(stack_of, section_of)
    particles = ParticleSet(
        images=images if lenses is None else lenses.correcting(images),
        poses=poses,
        ctf=table.ctf(notes) if with_ctf else None,
        optics_group=table.optics_group,
        names=names if isinstance(names, PackedNames) else tuple(names),
        random_subset=table.integers("rlnRandomSubset"),
        ctf_state=table.ctf_state(),
        notes=(*notes, *finder.notes, *images.notes),
    )
    for block in star.blocks:  # what was needed of them is in the particles now
        block.forget_numbers()
    is_one_size = bool((pixel_sizes == native_pixel_size).all())
    return particles, replace(
        star, native_pixel_size_angstrom=native_pixel_size if is_one_size else None
    )


def _norm_factors(table: ParticleTable, notes: list[str]) -> Floats | None:
    """Return what images are multiplied by ``(n,)``, as RELION does; None where they are alike.

    It is the mean of rlnNormCorrection over each particle's own.
    """
    if _NORM not in table:
        return None
    try:
        norms = table.floats(_NORM)
    except InputError as error:
        notes.append(f"{error} The column is not used.")
        return None
    odd = np.flatnonzero((norms <= 0) | (norms > _ODD_NORM * np.median(norms)))
    if not odd.size:
        odd = np.flatnonzero(norms * _ODD_NORM < np.median(norms))
    if odd.size:
        notes.append(
            f"_{_NORM} is {norms[odd[0]]:.3g} in {named_rows(odd)}: the column is not used"
        )
        return None
    if np.ptp(norms) <= _SAME_NORM * norms.mean():
        return None
    notes.append(
        f"grey values are divided by _{_NORM} over its mean, {norms.min():.3g} to {norms.max():.3g}"
    )
    return np.asarray(norms.mean() / norms)


def _listed_twice(stack_of: Integers, section_of: Integers) -> list[str]:
    """Return a note where several rows are of one image, as after a symmetry expansion."""
    order = np.lexsort((section_of, stack_of))
    stacks, sections = stack_of[order], section_of[order]
    again = order[1:][(np.diff(stacks) == 0) & (np.diff(sections) == 0)]
    if not again.size:
        return []
    return [f"the image of another row is listed again in {named_rows(np.sort(again))}"]


def write_poses(
    star: StarFile,
    poses: Poses,
    path: Path | str,
    *,
    confidence: np.ndarray | None = None,
    rows: np.ndarray | None = None,
    further: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write ``star`` with new poses; every other cell, column, row and block stays as it was.

    A ``path`` that ends in ``.cs`` is written as one, if ``star`` was read from one.

    ``rows`` picks particles for a subset export: ``poses[i]`` and ``confidence[i]`` belong to row
    ``rows[i]``. ``confidence`` goes to rlnParticleFigureOfMerit. Prior columns are left alone.
    ``further`` columns of numbers ``(n,)`` by their names go to STAR files, not to ``.cs``.
    Raises InputError if ``path`` is the file that was read, and for columns of another length.
    """
    names = ParticleTable(star).image_names()
    if rows is not None and np.array_equal(rows, np.arange(len(names))):
        rows = None
    named = names if rows is None else picked_names(names, rows)
    if len(named) == len(poses):
        refuse_poses_not_finite(poses, confidence, named, path)
    if Path(path).suffix.lower() == SUFFIX:
        if star.cs is None:
            refuse_kind(star.path or "a STAR file", path)
            raise ValueError("a .cs file whose records were not kept")
        records = cs_with_poses(star.cs, poses, confidence=confidence, rows=rows)
        return write_cs(records, path, star.cs)
    block = particle_block(star)
    if len(poses) != len(named) or (confidence is not None and len(confidence) != len(named)):
        raise ValueError(f"{len(poses)} poses for {len(named)} rows")
    lenses = lenses_of_table(ParticleTable(star))
    if lenses is not None:
        shifts = lenses.image_shifts(poses.shifts_angstrom, rows)
        poses = Poses(poses.rotations, shifts)
    # A file with optics is RELION 3.1 or later, which reads angstrom; one without is older.
    in_angstrom = star.block("optics") is not None or any(
        n in block.columns for n in ORIGINS_ANGSTROM
    )
    in_pixels = not in_angstrom or any(name in block.columns for name in ORIGINS_PIXELS)
    sizes: Floats | None = None
    if in_pixels:
        sizes = ParticleTable(star).pixel_sizes(star.native_pixel_size_angstrom, None, [])
        sizes = sizes if rows is None else sizes[np.asarray(rows)]
    beside = {} if confidence is None else {CONFIDENCE: confidence}
    for name, values in (further or {}).items():  # before a file is begun
        if np.shape(values) != (len(named),):
            raise InputError(
                f"The column {name} has {np.size(values)} numbers and there are {len(named)} "
                f"particles to write: give one number for each of those in {path}."
            )
        if not all(np.isfinite(values[some]).all() for some in some_rows(values)):
            raise ValueError(f"a number of {name} to be written to a STAR file is not finite")
    beside |= further or {}

    def spelled(these: slice) -> dict[str, list[str]]:
        origins = -poses.shifts_angstrom[these]
        new = dict(zip(ANGLES, matrix_to_euler_zyz_deg(poses.rotations[these]).T, strict=True))
        if in_angstrom:
            new |= dict(zip(ORIGINS_ANGSTROM, origins.T, strict=True))
        if sizes is not None:
            new |= dict(zip(ORIGINS_PIXELS, (origins / sizes[these, None]).T, strict=True))
        for name, values in beside.items():
            new[name] = np.asarray(values[these], dtype=np.float64)
        let_go(poses.rotations, poses.shifts_angstrom, *beside.values())
        return {name: printed(values) for name, values in new.items()}

    if rows is not None and (np.diff(rows) <= 0).any():  # another order: not as the file goes
        block = block.with_table(block.table.iloc[np.asarray(rows)].reset_index(drop=True))
        rows = None
    write_star(star.with_block(ChangedBlock(block, spelled, rows)), path)


def poses_of_table(
    table: ParticleTable,
    pixel_sizes: float | Floats,
    notes: list[str],
    lenses: Lenses | None = None,
) -> Poses | None:
    """Return the poses of a table, or None and a note of what is missing.

    ``pixel_sizes``, in angstrom, are for origins in pixels: one, or one a particle. With
    ``lenses`` shifts are where objects lie once the images are corrected.
    """
    missing = [name for name in ANGLES if name not in table]
    if missing:
        if not any(note.startswith("no poses") for note in notes):  # a .cs file may say why
            notes.append(f"no poses: the STAR lacks {', '.join(missing)}")
        return None
    angles = np.stack([table.floats(name) for name in ANGLES], axis=1)
    unknown = np.flatnonzero((angles == _UNKNOWN_ANGLE).any(axis=1))
    if unknown.size:
        notes.append(f"no poses: {unknown.size} particles have an angle of -999 (not determined)")
        return None
    check_angles(angles, table, notes)
    origins = np.zeros((len(table), 2))
    for i, (angstrom, pixels) in enumerate(zip(ORIGINS_ANGSTROM, ORIGINS_PIXELS, strict=True)):
        if angstrom in table:
            origins[:, i] = table.floats(angstrom)
        elif pixels in table:
            origins[:, i] = table.floats(pixels) * pixel_sizes
    note_origins(table, pixel_sizes, notes)
    shifts = 0.0 - origins
    if lenses is not None:
        shifts = lenses.ideal_shifts(shifts)
    return Poses(euler_zyz_deg_to_matrix(angles), shifts)
