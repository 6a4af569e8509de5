"""Two refinements of the same particles compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.evaluate import AnyPoses
from napari_cryoorient.api.files import AnyMap, AnyPath, map_of, read_particles
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, reporter_of
from napari_cryoorient.config import DeviceName, InvertContrast
from napari_cryoorient.device import choose_device
from napari_cryoorient.diagnosis.compare_files import preference_of
from napari_cryoorient.diagnosis.comparison import Comparison, Groups, compare_poses
from napari_cryoorient.diagnosis.pose_files import micrographs_of, paired_rows, read_poses
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star_text import StarFile
from napari_cryoorient.particles import ParticleSet, Poses


def compare(
    a: AnyPoses,
    b: AnyPoses,
    *,
    symmetry: str = "C1",
    density: AnyMap | None = None,
    invert_contrast: InvertContrast = "auto",
    device: DeviceName = "auto",
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
) -> Comparison:
    """Compare two refinements of the same particles, whatever frames they are in.

    The rotation between their maps, the symmetry copy, the hand and the shift of origin are found
    and taken off first.

    Args:
        a: poses, particles with poses, or the path of a STAR or ``.cs`` file.
        b: the others; paired by image name where both have names, else row by row.
        symmetry: the point group of the map of ``a``, by RELION's name and axes.
        density: a map of either; the images of ``a`` then say which of the two poses they prefer.
        invert_contrast: turn dark particles on white; "auto" does it where the sign is clear.
        device: "auto" takes CUDA, then MPS, then the CPU.
        progress: told (done, of so many) while the images are asked.
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.

    Raises:
        InputError: where nothing can be paired, one of the two has no poses, or ``density`` is
            given and ``a`` has no images.
        Stopped: when asked to stop.

    """
    group = symmetry_matrices(symmetry)
    if density is not None:
        a = _with_images(a)
    poses, names, micrographs = _named(a)
    other_poses, other_names, _ = _named(b)
    if len(names) and len(other_names):
        rows, other_rows = paired_rows(names, other_names)
        if not len(rows):
            raise InputError(
                f"No particle of the one ({names[0]} ...) is in the other ({other_names[0]} ...); "
                "compare particles of one stack."
            )
    elif len(poses) != len(other_poses):
        raise InputError(
            f"{len(poses)} poses cannot be compared with {len(other_poses)} row by row, and not "
            "both have image names to pair them by."
        )
    else:
        rows = other_rows = np.arange(len(poses), dtype=np.int64)
    found = compare_poses(
        poses[rows],
        other_poses[other_rows],
        group,
        rows=rows,
        other_rows=other_rows,
        micrographs=None if micrographs is None else micrographs[rows],
    )
    if density is None:
        return found
    particles = a.particles if isinstance(a, PoseEstimates) else a
    assert isinstance(particles, ParticleSet)
    preference = preference_of(
        found,
        particles,
        map_of(density, particles),
        choose_device(device),
        invert_contrast=invert_contrast,
        reporter=reporter_of(progress, say, should_stop),
    )
    return found.with_preference(preference)


def _with_images(given: AnyPoses) -> ParticleSet | PoseEstimates:
    if isinstance(given, ParticleSet | PoseEstimates):
        return given
    if isinstance(given, Poses):
        raise InputError("Poses alone have no images to ask with a map; give particles.")
    path: AnyPath = given
    return read_particles(path)


def _named(given: AnyPoses) -> tuple[Poses, Sequence[str], Groups | None]:
    """Return poses, the names of their images and their micrographs, where there are any."""
    if isinstance(given, Poses):
        return given, (), None
    if not isinstance(given, PoseEstimates | ParticleSet):
        file = read_poses(Path(given))
        return file.poses, file.names, file.micrographs
    particles = given.particles if isinstance(given, PoseEstimates) else given
    if particles.poses is None:
        raise InputError("There are no poses to compare: the particles have none.")
    micrographs = None
    if isinstance(particles.file, StarFile):
        micrographs = micrographs_of(ParticleTable(particles.file))
        if micrographs is not None and particles.file_rows is not None:
            micrographs = micrographs[particles.file_rows]
    return particles.poses, particles.names, micrographs
