"""Two refinements of the same particles compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.evaluate import AnyPoses
from napari_cryoorient.api.files import AnyMap, AnyPath, map_of, read_particles
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, reporter_of
from napari_cryoorient.config import CompareConfig
from napari_cryoorient.diagnosis.compare_files import compare_named, preference_of
from napari_cryoorient.diagnosis.comparison import Comparison, Groups
from napari_cryoorient.diagnosis.pose_files import micrographs_of, read_poses
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star_text import StarFile
from napari_cryoorient.particles import ParticleSet, Poses
from napari_cryoorient.tasks.pairs import NamedPoses


@with_keywords(CompareConfig)
def compare(
    a: AnyPoses,
    b: AnyPoses,
    *,
    density: AnyMap | None = None,
    config: CompareConfig | None = None,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> Comparison:
    """Compare two refinements of the same particles, whatever frames they are in.

    The rotation between their maps, the symmetry copy, the hand and the shift of origin are found
    and taken off first.

    Args:
        a: poses, particles with poses, or the path of a STAR or ``.cs`` file.
        b: the others; paired by image name where both have names, else row by row.
        density: a map of either; the images of ``a`` then say which of the two poses they prefer.
        config: the settings; single ones by name go before its own.
        progress: told (done, of so many) while the images are asked.
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.
        settings: fields of ``CompareConfig``.

    Raises:
        InputError: where nothing can be paired, one of the two has no poses, or ``density`` is
            given and ``a`` has no images.
        Stopped: when asked to stop.

    """
    config = config_of(CompareConfig, config, settings)
    if density is not None:
        a = _with_images(a)
    first, micrographs = _named(a, "the one")
    found = compare_named(first, _named(b, "the other")[0], config, micrographs=micrographs)
    if density is None:
        return found
    particles = a.particles if isinstance(a, PoseEstimates) else a
    assert isinstance(particles, ParticleSet)
    preference = preference_of(
        found,
        particles,
        map_of(density, particles),
        config,
        reporter=reporter_of(progress, say, should_stop),
    )
    return found.with_preference(preference)


def _with_images(given: AnyPoses) -> ParticleSet | PoseEstimates:
    if isinstance(given, ParticleSet | PoseEstimates):
        return given
    if isinstance(given, Poses):
        raise InputError("Poses alone have no images to compare with a map; give particles.")
    path: AnyPath = given
    return read_particles(path)


def _named(given: AnyPoses, title: str) -> tuple[NamedPoses, Groups | None]:
    """Return poses with the names of their images, and their micrographs, where there are any."""
    if isinstance(given, Poses):
        return NamedPoses(given, (), title), None
    if not isinstance(given, PoseEstimates | ParticleSet):
        file = read_poses(Path(given))
        return file.named, file.micrographs
    particles = given.particles if isinstance(given, PoseEstimates) else given
    if particles.poses is None:
        raise InputError("There are no poses to compare: the particles have none.")
    micrographs = None
    if isinstance(particles.file, StarFile):
        micrographs = micrographs_of(ParticleTable(particles.file))
        if micrographs is not None and particles.file_rows is not None:
            micrographs = micrographs[particles.file_rows]
    return NamedPoses(particles.poses, particles.names, title), micrographs
