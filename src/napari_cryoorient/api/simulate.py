"""Particles made from a map, and its projections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyPath, map_of, read_particles
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.progress import Advance, ShouldStop, reporter_of
from napari_cryoorient.config import ProjectConfig, SimulateConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import ArrayImages, CtfParameters, Images, ParticleSet, Poses
from napari_cryoorient.simulation.simulate import write_simulation
from napari_cryoorient.tasks.project import images_in_memory, project_poses
from napari_cryoorient.tasks.simulate import N_PARTICLES, simulation_of

# Settings of the commands: what a map is checked against, and the CTF that a file gives.
_OF_FILES = ("symmetry",)
_CTF_OF_FILES = ("with_ctf",)


@with_keywords(SimulateConfig, _OF_FILES)
def simulate(
    density: AnyMap,
    n: int = N_PARTICLES,
    *,
    folder: AnyPath | None = None,
    config: SimulateConfig | None = None,
    progress: Advance | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> ParticleSet:
    """Make particles of a map at poses drawn uniformly, which come with them.

    Args:
        density: the map, or the path of one or of an atomic model.
        n: how many.
        folder: write ``particles.mrcs``, ``particles.star`` and ``map.mrc`` there, in bounded
            memory, and return the set read from it.
        config: the settings; single ones by name go before its own.
        progress: told (done, of so many).
        should_stop: asked now and then; where it says so, Stopped is raised.
        settings: fields of ``SimulateConfig``.

    Raises:
        InputError: for a box that is odd or too small, or a low-pass finer than the pixels allow.
        Stopped: when asked to stop; no file is left behind.

    """
    if n < 1:
        raise InputError(f"There must be at least one particle to simulate, not {n}.")
    config = config_of(SimulateConfig, config, settings | {"n": n}, _OF_FILES)
    place, reporter = choose_device(config.device), reporter_of(progress, None, should_stop)
    made = simulation_of(map_of(density), config, place)
    if folder is not None:
        return read_particles(write_simulation(made, Path(folder), device=place, reporter=reporter))
    images = images_in_memory(made, place, reporter)
    return ParticleSet(
        ArrayImages(images, made.density.pixel_size_angstrom),
        made.poses,
        made.ctf,
        np.zeros(n, dtype=np.int64),
    )


@with_keywords(ProjectConfig, _CTF_OF_FILES)
def project(
    density: AnyMap,
    poses: Poses | ParticleSet | PoseEstimates,
    *,
    ctf: CtfParameters | None = None,
    config: ProjectConfig | None = None,
    progress: Advance | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> Images:
    """Return the noiseless projections ``(n, N, N)`` of a map at poses, as relion_project does.

    Images have the map's box, pixel size and grey values.

    Args:
        density: the map, or the path of one or of an atomic model.
        poses: poses, or particles that have them.
        ctf: applied where it is given.
        config: the settings; single ones by name go before its own.
        progress: told (done, of so many).
        should_stop: asked now and then; where it says so, Stopped is raised.
        settings: fields of ``ProjectConfig``.

    Raises:
        InputError: for particles without poses.
        Stopped: when asked to stop.

    """
    config = config_of(ProjectConfig, config, settings, _CTF_OF_FILES)
    at = poses if isinstance(poses, Poses) else poses.poses
    if at is None:
        raise InputError("The particles have no poses to project at.")
    return project_poses(
        map_of(density),
        at,
        ctf,
        device=choose_device(config.device),
        reporter=reporter_of(progress, None, should_stop),
    )
