"""Particles and maps from files and back."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.errors import InputError
from napari_cryoorient.io import maps, star
from napari_cryoorient.io.atomic import refuse_unwritable
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.particles import DensityMap, Floats, ParticleSet

AnyPath = str | os.PathLike[str]
AnyParticles = ParticleSet | PoseEstimates | AnyPath
AnyMap = DensityMap | AnyPath

_IMAGES_AT_ONCE = 256


def read_particles(
    path: AnyPath,
    *,
    project_dir: AnyPath | None = None,
    box: int | None = None,
    pixel_size_angstrom: float | None = None,
) -> ParticleSet:
    """Open a particle STAR file (RELION) or ``.cs`` file (cryoSPARC); images are read when needed.

    ``project_dir`` is the folder that the stacks' names start from; the usual places are searched
    anyway.  ``box`` resamples the images to so many pixels over the same field of view.
    ``pixel_size_angstrom`` is for files that do not say.  Raises InputError.
    """
    particles, file = star.read_particles(
        Path(path),
        project_dir=None if project_dir is None else Path(project_dir),
        box=box,
        pixel_size_angstrom=pixel_size_angstrom,
    )
    return replace(particles, file=file)


def read_map(
    path: AnyPath, *, pixel_size_angstrom: float | None = None, box: int | None = None
) -> DensityMap:
    """Read a map (mrc, map, compressed too), or make one of an atomic model (PDB, mmCIF).

    ``pixel_size_angstrom`` is for a header without one; it and ``box`` are the grid a model is put
    on.  Raises InputError.
    """
    return maps.read_map(Path(path), pixel_size_angstrom=pixel_size_angstrom, box=box)


def write_map(path: AnyPath, density: DensityMap) -> None:
    """Write a map as MRC; raises InputError where ``path`` cannot be written."""
    refuse_unwritable(Path(path))
    maps.write_map(density, Path(path))


def write_poses(
    path: AnyPath, found: PoseEstimates | ParticleSet, *, confidence: Floats | None = None
) -> None:
    """Write poses into a copy of the file the particles were read from, all else kept as it is.

    The confidence of estimates goes to rlnParticleFigureOfMerit; ``confidence`` ``(n,)`` is for
    particles that have none.  Raises InputError for particles that were not read from a file, or
    have no poses, and where ``path`` is the file that was read.
    """
    particles = particles_of(found)
    if isinstance(found, PoseEstimates) and confidence is None:
        confidence = found.confidence
    if particles.poses is None:
        raise InputError("The particles have no poses to write: search, or train and predict.")
    if not isinstance(particles.file, star.StarFile):
        raise InputError(
            "These particles were made in memory and belong to no STAR file: write_particles "
            "writes them with their images."
        )
    refuse_unwritable(Path(path))
    star.write_poses(
        particles.file, particles.poses, Path(path), confidence=confidence, rows=particles.file_rows
    )


def write_particles(folder: AnyPath, particles: ParticleSet) -> Path:
    """Write images and poses as ``particles.mrcs`` and ``particles.star``; return the latter.

    Raises InputError for particles without poses, or a folder that has such files.
    """
    if particles.poses is None:
        raise InputError("The particles have no poses to write: search, or train and predict.")
    stack, path = Path(folder) / "particles.mrcs", Path(folder) / "particles.star"
    for each in (stack, path):
        if each.exists():
            raise InputError(f"{each} is there already: name another folder.")
        refuse_unwritable(each)
    n, box, pixel = len(particles), particles.box, particles.pixel_size_angstrom
    with StackWriter(stack, n, box, pixel) as writer:
        for start in range(0, n, _IMAGES_AT_ONCE):
            rows = np.arange(start, min(start + _IMAGES_AT_ONCE, n), dtype=np.int64)
            writer.append(particles.images.read(rows))
    new = star.new_particle_star(
        stack.name, particles.poses, box=box, pixel_size_angstrom=pixel, ctf=particles.ctf
    )
    star.write_star(new, path)
    return path


def particles_of(given: AnyParticles) -> ParticleSet:
    """Return a set of particles, read where it is named by its file."""
    if isinstance(given, PoseEstimates):
        return given.particles
    return given if isinstance(given, ParticleSet) else read_particles(given)


def map_of(given: AnyMap, particles: ParticleSet | None = None) -> DensityMap:
    """Return a map, read where it is named; a model is put on the grid of ``particles``."""
    if isinstance(given, DensityMap):
        return given
    if particles is not None and maps.is_model_path(Path(given)):
        return read_map(given, pixel_size_angstrom=particles.pixel_size_angstrom, box=particles.box)
    return read_map(given)


def name_of(given: AnyParticles) -> str:
    """Return what messages call particles: their file, or what they are."""
    particles = given.particles if isinstance(given, PoseEstimates) else given
    if not isinstance(particles, ParticleSet):
        return os.fspath(particles)
    path = particles.file.path if isinstance(particles.file, star.StarFile) else None
    return "the stack" if path is None else str(path)
