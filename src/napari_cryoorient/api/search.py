"""Poses by global search: none are needed to begin with."""

from __future__ import annotations

from dataclasses import replace

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, silent
from napari_cryoorient.config import DeviceName, InvertContrast
from napari_cryoorient.device import choose_device
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.stack.pairing import pair_inputs
from napari_cryoorient.tasks.search import random_rows, search_inputs


def search(
    particles: AnyParticles,
    density: AnyMap,
    *,
    symmetry: str = "C1",
    subset: int | None = None,
    shift_range_angstrom: float | None = None,
    resolution_angstrom: float | None = None,
    invert_contrast: InvertContrast = "auto",
    device: DeviceName = "auto",
    seed: int = 0,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
) -> PoseEstimates:
    """Find the pose of every particle from a reference map; poses they have are not looked at.

    Args:
        particles: a set, or the path of a STAR or ``.cs`` file.
        density: the map, or the path of one or of an atomic model.
        symmetry: the map's point group by RELION's name and axes.
        subset: search so many particles, drawn at random.
        shift_range_angstrom: how far particles lie off centre; by default 8% of the box.
        resolution_angstrom: finest detail used; by default where the stack's signal ends.
        invert_contrast: turn dark particles on white; "auto" does it where the sign is clear.
        device: "auto" takes CUDA, then MPS, then the CPU.
        seed: draws the subset.
        progress: told (done, of so many).
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.

    Raises:
        InputError: where particles and map do not fit each other.
        Stopped: when asked to stop.

    """
    symmetry_matrices(symmetry)
    place, stack = choose_device(device), particles_of(particles)
    inputs = pair_inputs(
        stack,
        map_of(density, stack),
        invert_contrast=invert_contrast,
        name=name_of(particles),
    )
    rows = random_rows(len(stack), subset, seed)
    found = search_inputs(
        inputs,
        rows,
        place,
        symmetry=symmetry,
        shift_range_angstrom=shift_range_angstrom,
        resolution_angstrom=resolution_angstrom,
        progress=progress,
        say=say or silent,
        should_stop=should_stop,
    )
    searched = stack if len(rows) == len(stack) else stack.subset(rows)
    return PoseEstimates(
        replace(searched, poses=found.poses),
        confidence=found.confidence,
        correlation=found.correlation,
        runner_up=found.runner_up,
    )
