"""Poses made better: each climbs from where it is."""

from __future__ import annotations

from dataclasses import replace

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, silent
from napari_cryoorient.config import DeviceName, InvertContrast
from napari_cryoorient.device import choose_device
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.stack.pairing import pair_inputs
from napari_cryoorient.tasks.refine import refine_inputs


def refine(
    particles: AnyParticles,
    density: AnyMap,
    *,
    symmetry: str = "C1",
    resolution_angstrom: float | None = None,
    invert_contrast: InvertContrast = "auto",
    device: DeviceName = "auto",
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
) -> PoseEstimates:
    """Refine rotation and shift of particles that have poses within about 10 degrees.

    The arguments are those of ``search``; ``symmetry`` matters for the confidence alone.

    Raises:
        InputError: for particles without poses, or where particles and map do not fit each other.
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
    refined, confidence = refine_inputs(
        inputs,
        place,
        symmetry=symmetry,
        resolution_angstrom=resolution_angstrom,
        name=name_of(particles),
        progress=progress,
        say=say or silent,
        should_stop=should_stop,
    )
    return PoseEstimates(
        replace(stack, poses=refined.poses),
        confidence=confidence,
        correlation=refined.correlation,
        moved_deg=refined.moved_deg,
    )
