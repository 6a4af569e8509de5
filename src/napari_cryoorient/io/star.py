"""Particle STAR files: RELION's names, Euler angles and origins become poses and back.

RELION's origin is what moves the image's object to the centre; ``Poses`` hold where the object
lies, so the sign turns here and nowhere else. Origins are angstrom (rlnOriginXAngst) or pixels
(rlnOriginX, before 3.1); where a file has both, angstrom wins.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.euler import euler_zyz_deg_to_matrix, matrix_to_euler_zyz_deg
from napari_cryoorient.io.locate import StackFinder
from napari_cryoorient.io.particle_table import ParticleTable, particle_block
from napari_cryoorient.io.stacks import MrcStack, MrcStackCollection
from napari_cryoorient.io.star_text import (
    StarBlock,
    StarFile,
    quoted,
    read_star,
    text_table,
    write_star,
)
from napari_cryoorient.particles import CtfParameters, Floats, Integers, ParticleSet, Poses

__all__ = [
    "StarBlock",
    "StarFile",
    "new_particle_star",
    "read_particles",
    "read_star",
    "write_poses",
    "write_star",
]

_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_ORIGINS_ANGSTROM = ("rlnOriginXAngst", "rlnOriginYAngst")
_ORIGINS_PIXELS = ("rlnOriginX", "rlnOriginY")
_CONFIDENCE = "rlnParticleFigureOfMerit"
_UNKNOWN_ANGLE = -999.0  # RELION's mark for an angle nobody has determined
_PIXEL_SIZE_NOTE = 1e-2  # relative; a larger difference from the stack's header is worth a note


def read_particles(
    path: Path | str,
    *,
    project_dir: Path | str | None = None,
    box: int | None = None,
    pixel_size_angstrom: float | None = None,
) -> tuple[ParticleSet, StarFile]:
    """Read a particle STAR and open its stacks, resampled to ``box`` pixels if that is given.

    ``project_dir`` is the folder stack paths start from; the usual places are looked at anyway.
    ``pixel_size_angstrom`` is that of the stacks as they lie on disk, for files that do not say.
    Poses or CTF are None, with a note, where the file lacks them. Raises InputError.
    """
    path = Path(path)
    star = read_star(path)
    table = ParticleTable(star)
    notes: list[str] = []
    names = table.image_names()
    finder = StackFinder(path, project_dir)
    stacks, stack_of, section_of = _open_stacks(names, finder, path)
    table.check_image_size(stacks[0].native_box)
    native_pixel_size = table.pixel_size(pixel_size_angstrom, stacks[0], notes)
    images = MrcStackCollection(stacks, stack_of, section_of, native_pixel_size, box=box)
    header_pixel_size = stacks[0].header_pixel_size_angstrom
    if header_pixel_size not in (0.0, 1.0) and (
        abs(header_pixel_size / native_pixel_size - 1) > _PIXEL_SIZE_NOTE
    ):
        notes.append(
            f"the stack's header says {header_pixel_size:.4g} A a pixel, the STAR "
            f"{native_pixel_size:.4g} A; the STAR's is used"
        )
    particles = ParticleSet(
        images=images,
        poses=poses_of_table(table, native_pixel_size, notes),
        ctf=table.ctf(notes),
        optics_group=table.optics_group,
        names=tuple(names),
        random_subset=table.integers("rlnRandomSubset"),
        ctf_state=table.ctf_state(),
        notes=(*notes, *finder.notes, *images.notes),
    )
    return particles, replace(star, native_pixel_size_angstrom=native_pixel_size)


def write_poses(
    star: StarFile,
    poses: Poses,
    path: Path | str,
    *,
    confidence: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> None:
    """Write ``star`` with new poses; every other cell, column, row and block stays as it was.

    ``rows`` picks particles for a subset export: ``poses[i]`` and ``confidence[i]`` belong to row
    ``rows[i]``. ``confidence`` goes to rlnParticleFigureOfMerit. Prior columns are left alone.
    Raises InputError if ``path`` is the file that was read.
    """
    block = particle_block(star)
    table = block.table if rows is None else block.table.iloc[np.asarray(rows)]
    table = table.reset_index(drop=True)
    if len(poses) != len(table) or (confidence is not None and len(confidence) != len(table)):
        raise ValueError(f"{len(poses)} poses for {len(table)} rows")
    angles = matrix_to_euler_zyz_deg(poses.rotations).reshape(-1, 3)
    new = {name: angles[:, i] for i, name in enumerate(_ANGLES)}
    # A file with optics is RELION 3.1 or later, which reads angstrom; one without is older.
    in_angstrom = star.block("optics") is not None or any(n in table for n in _ORIGINS_ANGSTROM)
    in_pixels = not in_angstrom or any(name in table for name in _ORIGINS_PIXELS)
    if in_angstrom:
        new |= {name: -poses.shifts_angstrom[:, i] for i, name in enumerate(_ORIGINS_ANGSTROM)}
    if in_pixels:
        pixel_size = star.native_pixel_size_angstrom or ParticleTable(star).pixel_size(
            None, None, []
        )
        pixels = -poses.shifts_angstrom / pixel_size
        new |= {name: pixels[:, i] for i, name in enumerate(_ORIGINS_PIXELS)}
    if confidence is not None:
        new[_CONFIDENCE] = np.asarray(confidence, dtype=np.float64)
    table = table.assign(**{name: _printed(values) for name, values in new.items()})
    write_star(star.with_block(replace(block, table=table)), path)


def new_particle_star(
    stack_name: str,
    poses: Poses,
    *,
    box: int,
    pixel_size_angstrom: float,
    ctf: CtfParameters | None = None,
    random_subset: Integers | None = None,
) -> StarFile:
    """Make the STAR (RELION 3.1) of a stack just written, particle i being image i + 1.

    Particles that share voltage, spherical aberration and amplitude contrast share an optics
    group. Without ``ctf`` one group with the usual 300 kV, 2.7 mm and 0.1 stands in.
    """
    n = len(poses)
    optics = np.tile([300.0, 2.7, 0.1], (n, 1))
    if ctf is not None:
        optics = np.stack(
            [ctf.voltage_kv, ctf.spherical_aberration_mm, ctf.amplitude_contrast], axis=1
        )
    groups, group_of = np.unique(optics, axis=0, return_inverse=True)
    numbers = [str(i + 1) for i in range(len(groups))]
    optics_table = text_table(
        {
            "rlnOpticsGroup": numbers,
            "rlnOpticsGroupName": [f"opticsGroup{number}" for number in numbers],
            "rlnVoltage": _printed(groups[:, 0]),
            "rlnSphericalAberration": _printed(groups[:, 1]),
            "rlnAmplitudeContrast": _printed(groups[:, 2]),
            "rlnImagePixelSize": _printed(np.full(len(groups), pixel_size_angstrom)),
            "rlnImageSize": [str(box)] * len(groups),
            "rlnImageDimensionality": ["2"] * len(groups),
        }
    )
    columns = {
        "rlnImageName": [quoted(f"{i + 1:06d}@{stack_name}") for i in range(n)],
        "rlnOpticsGroup": [str(group + 1) for group in group_of.ravel()],
    }
    angles = matrix_to_euler_zyz_deg(poses.rotations).reshape(-1, 3)
    columns |= {name: _printed(angles[:, i]) for i, name in enumerate(_ANGLES)}
    for i, name in enumerate(_ORIGINS_ANGSTROM):
        columns[name] = _printed(-poses.shifts_angstrom[:, i])
    if ctf is not None:
        columns |= {
            "rlnDefocusU": _printed(ctf.defocus_u_angstrom),
            "rlnDefocusV": _printed(ctf.defocus_v_angstrom),
            "rlnDefocusAngle": _printed(ctf.defocus_angle_deg),
            "rlnPhaseShift": _printed(ctf.phase_shift_deg),
            "rlnCtfBfactor": _printed(ctf.b_factor_angstrom2),
            "rlnCtfScalefactor": _printed(ctf.scale),
        }
    if random_subset is not None:
        columns["rlnRandomSubset"] = [str(int(half)) for half in random_subset]
    particles = StarBlock("particles", text_table(columns))
    return StarFile((StarBlock("optics", optics_table), particles), version="30001")


def _printed(values: Floats) -> list[str]:
    if not np.isfinite(values).all():
        raise ValueError("a number to be written to a STAR file is not finite")
    # Adding 0 after rounding turns -0.000000 into 0.000000.
    return [f"{value:12.6f}" for value in np.round(values, 6) + 0.0]


def _open_stacks(
    names: list[str], finder: StackFinder, star_path: Path
) -> tuple[list[MrcStack], Integers, Integers]:
    numbers, files = _split_names(names, star_path)
    stack_of, files_once = pd.factorize(pd.array(files, dtype=object))
    stacks: list[MrcStack] = []
    place_of_path: dict[Path, int] = {}
    places = np.empty(len(files_once), dtype=np.int64)
    for i, file in enumerate(files_once):
        path = finder.find(str(file))
        if path not in place_of_path:
            place_of_path[path] = len(stacks)
            stacks.append(MrcStack(path))
        places[i] = place_of_path[path]
    stack_of = places[stack_of]
    lengths = np.array([len(stack) for stack in stacks], dtype=np.int64)
    beyond = np.flatnonzero((numbers >= lengths[stack_of]) | (numbers < 0))
    if beyond.size:
        row = int(beyond[0])
        stack = stacks[int(stack_of[row])]
        raise InputError(
            f"{star_path}: row {row + 1} asks for image {numbers[row] + 1} of {stack.path}, which "
            f"holds images 1 to {len(stack)}."
        )
    return stacks, stack_of, numbers


def _split_names(names: list[str], star_path: Path) -> tuple[Integers, list[str]]:
    numbers = np.zeros(len(names), dtype=np.int64)
    files = []
    for row, name in enumerate(names):
        number, at, file = name.partition("@")
        if not at:  # an image file of its own
            files.append(name)
            continue
        try:
            numbers[row] = int(number) - 1
        except ValueError:
            raise InputError(
                f"{star_path}: row {row + 1} has the image name {name}; it should be like "
                "000001@stack.mrcs."
            ) from None
        files.append(file)
    return numbers, files


def poses_of_table(table: ParticleTable, pixel_size: float, notes: list[str]) -> Poses | None:
    """Return the poses of a table, or None and a note of what is missing."""
    missing = [name for name in _ANGLES if name not in table]
    if missing:
        notes.append(f"no poses: the STAR lacks {', '.join(missing)}")
        return None
    angles = np.stack([table.floats(name) for name in _ANGLES], axis=1)
    unknown = np.flatnonzero((angles == _UNKNOWN_ANGLE).any(axis=1))
    if unknown.size:
        notes.append(f"no poses: {unknown.size} particles have an angle of -999 (not determined)")
        return None
    origins = np.zeros((len(table), 2))
    for i, (angstrom, pixels) in enumerate(zip(_ORIGINS_ANGSTROM, _ORIGINS_PIXELS, strict=True)):
        if angstrom in table:
            origins[:, i] = table.floats(angstrom)
        elif pixels in table:
            origins[:, i] = table.floats(pixels) * pixel_size
    return Poses(euler_zyz_deg_to_matrix(angles), 0.0 - origins)
