"""A map projected at the poses of a file, or of a set in memory: what ``project`` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from napari_cryoorient.config import ProjectConfig
from napari_cryoorient.device import choose_device, describe_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.memory import PROJECTIONS, refuse_map_beyond
from napari_cryoorient.particles import CtfParameters, DensityMap, Images, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.simulation.simulate import (
    Simulation,
    reported,
    simulated_images,
    write_projections,
)


@dataclass(frozen=True)
class StackProjection:
    """How many projections were written, and of which map."""

    n: int
    box: int
    pixel_size_angstrom: float


def project_star(
    map_path: Path,
    star_path: Path,
    output: Path,
    config: ProjectConfig = ProjectConfig(),
    *,
    map_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
) -> StackProjection:
    """Write the projections of a map at every pose of a STAR file, with its CTF if asked for.

    Raises InputError where the file gives no poses, or no CTF to apply.
    """
    where = choose_device(config.device)
    if where.type == "cpu":
        refuse_map_beyond(map_path, PROJECTIONS, "Projecting a map")
    density = read_map(map_path, pixel_size_angstrom=map_pixel_size_angstrom)
    table = read_pose_table(star_path)
    if table.poses is None:
        raise InputError(
            f"{star_path} gives nothing to project at: {table.why_not('poses')}; "
            "give a STAR file of a refinement or of predict."
        )
    if config.with_ctf and table.ctf is None:
        raise InputError(
            f"{star_path} gives nothing for --ctf: {table.why_not('CTF')}; "
            "leave --ctf out, or add those columns."
        )
    n = len(table.poses)
    for note in density.notes:
        reporter.say(f"Note: {note}")
    reporter.say(f"{n} projections of {density.box} pixels on {describe_device(where)}")
    write_projections(
        density,
        table.poses,
        table.ctf if config.with_ctf else None,
        output,
        device=where,
        reporter=reporter,
        lenses=table.lenses if config.with_ctf else None,
    )
    return StackProjection(n, density.box, density.pixel_size_angstrom)


def project_poses(
    density: DensityMap,
    poses: Poses,
    ctf: CtfParameters | None = None,
    *,
    device: torch.device,
    reporter: Reporter = SILENT,
) -> Images:
    """Return the noiseless projections ``(n, N, N)`` of a map; raises Stopped."""
    return images_in_memory(
        Simulation(density, poses, ctf, noise_sigma=0.0, seed=0), device, reporter
    )


def images_in_memory(simulation: Simulation, device: torch.device, reporter: Reporter) -> Images:
    """Return all images ``(n, N, N)`` of a simulation; raises Stopped."""
    n, box = len(simulation.poses), simulation.density.box
    images = np.empty((n, box, box), dtype=np.float32)
    done = 0
    for chunk in reported(simulated_images(simulation, device), n, reporter):
        images[done : done + len(chunk)] = chunk
        done += len(chunk)
    return images
