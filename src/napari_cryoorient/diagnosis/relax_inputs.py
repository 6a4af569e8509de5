"""Particles relaxed against a map: what ``relax`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.diagnosis.relaxation import Relaxation, relax_poses
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import ParticleSet, Poses, counted
from napari_cryoorient.stack.chunks import Advance
from napari_cryoorient.stack.pairing import PairedInputs


def relax_inputs(
    inputs: PairedInputs,
    symmetry: str,
    device: torch.device,
    *,
    progress: Advance | None = None,
    say: Callable[[str], None],
    should_stop: Callable[[], bool] | None = None,
) -> Relaxation:
    """Weigh the equivalent poses of a stack; images that tell nothing keep theirs, all alike.

    Raises InputError for C1, which has no equivalents, and for particles without poses; Stopped.
    """
    group, particles = symmetry_matrices(symmetry), inputs.particles
    if len(group) == 1:
        raise InputError(f"{symmetry} has no equivalent poses: name the pseudo-symmetry, as D7.")
    poses = _poses_of(particles)
    for note in inputs.notes:
        say(note)
    usable = particles.usable_rows()
    stack = particles.subset(usable)
    likelihood = ParticleLikelihood(inputs.density, stack, device)
    rows = np.arange(len(stack), dtype=np.int64)
    found = relax_poses(
        likelihood, rows, poses[usable], group, progress=progress, should_stop=should_stop
    )
    if len(usable) == len(particles):
        return found
    n_left = counted(len(particles) - len(usable), "particle")
    say(f"Note: {n_left} whose images tell nothing keep their poses.")
    probabilities = np.full((len(particles), len(group)), 1 / len(group))
    best = np.zeros(len(particles), dtype=np.int64)
    rotations, shifts = poses.rotations.copy(), poses.shifts_angstrom.copy()
    probabilities[usable], best[usable] = found.probabilities, found.best
    rotations[usable], shifts[usable] = found.poses.rotations, found.poses.shifts_angstrom
    return replace(found, probabilities=probabilities, best=best, poses=Poses(rotations, shifts))


def _poses_of(particles: ParticleSet) -> Poses:
    if particles.poses is None:
        raise InputError("The particles have no poses to relax; search or refine them first.")
    return particles.poses
