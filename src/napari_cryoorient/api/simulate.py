"""Particles made from a map, and its projections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyPath, map_of, read_particles
from napari_cryoorient.api.progress import Advance, ShouldStop, Stopped
from napari_cryoorient.config import DeviceName
from napari_cryoorient.device import choose_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import (
    ArrayImages,
    CtfParameters,
    Images,
    ParticleSet,
    Poses,
)
from napari_cryoorient.simulation.simulate import (
    Microscope,
    Simulation,
    SimulationSettings,
    draw_simulation,
    simulated_images,
    working_map,
    write_simulation,
)


def simulate(
    density: AnyMap,
    n: int = 1000,
    *,
    folder: AnyPath | None = None,
    box: int | None = None,
    snr: float | None = None,
    ctf: bool = True,
    shift_sigma_angstrom: float = 0.0,
    lowpass_angstrom: float | None = None,
    device: DeviceName = "auto",
    seed: int = 0,
    progress: Advance | None = None,
    should_stop: ShouldStop | None = None,
) -> ParticleSet:
    """Make particles of a map at poses drawn uniformly, which come with them.

    Args:
        density: the map, or the path of one or of an atomic model.
        n: how many.
        folder: write ``particles.mrcs``, ``particles.star`` and ``map.mrc`` there, in bounded
            memory, and return the set read from it.
        box: of the images in pixels; smaller than the map's crops in Fourier space, larger pads.
        snr: variance of the signal over that of the white noise; None for no noise.
        ctf: apply a CTF: defocus 1.0 to 2.5 um, 300 kV, Cs 2.7 mm, amplitude contrast 0.1.
        shift_sigma_angstrom: standard deviation of the shifts in x and in y.
        lowpass_angstrom: low-pass the map at this resolution.
        device: "auto" takes CUDA, then MPS, then the CPU.
        seed: of everything random.
        progress: told (done, of so many).
        should_stop: asked now and then; where it says so, Stopped is raised.

    Raises:
        InputError: for a box that is odd or too small, or a low-pass finer than the pixels allow.
        Stopped: when asked to stop; no file is left behind.

    """
    if n < 1:
        raise InputError(f"There must be at least one particle to simulate, not {n}.")
    place = choose_device(device)
    settings = SimulationSettings(
        n=n,
        snr=snr,
        microscope=Microscope() if ctf else None,
        shift_sigma_angstrom=shift_sigma_angstrom,
        seed=seed,
    )
    made = draw_simulation(working_map(map_of(density), box, lowpass_angstrom), settings, place)

    def advance(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total)
        if should_stop is not None and should_stop():
            raise Stopped

    if folder is not None:
        path = write_simulation(made, Path(folder), device=place, advance=advance)
        return read_particles(path)
    images = _in_memory(made, place, advance)
    return ParticleSet(
        ArrayImages(images, made.density.pixel_size_angstrom),
        made.poses,
        made.ctf,
        np.zeros(n, dtype=np.int64),
    )


def project(
    density: AnyMap,
    poses: Poses | ParticleSet | PoseEstimates,
    *,
    ctf: CtfParameters | None = None,
    device: DeviceName = "auto",
    progress: Advance | None = None,
    should_stop: ShouldStop | None = None,
) -> Images:
    """Return the noiseless projections ``(n, N, N)`` of a map at poses, as relion_project does.

    Images have the map's box, pixel size and grey values; ``ctf`` is applied where it is given.
    Raises InputError for particles without poses, and Stopped when asked to stop.
    """
    at = poses if isinstance(poses, Poses) else poses.poses
    if at is None:
        raise InputError("The particles have no poses to project at.")

    def advance(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total)
        if should_stop is not None and should_stop():
            raise Stopped

    exact = Simulation(map_of(density), at, ctf, noise_sigma=0.0, seed=0)
    return _in_memory(exact, choose_device(device), advance)


def _in_memory(simulation: Simulation, device: torch.device, advance: Advance) -> Images:
    n, box = len(simulation.poses), simulation.density.box
    images = np.empty((n, box, box), dtype=np.float32)
    done = 0
    for chunk in simulated_images(simulation, device):
        images[done : done + len(chunk)] = chunk
        done += len(chunk)
        advance(done, n)
    return images
