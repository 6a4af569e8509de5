"""Which of the equivalent poses of a pseudo-symmetry each particle is at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, reporter_of
from napari_cryoorient.config import DeviceName, InvertContrast
from napari_cryoorient.device import choose_device
from napari_cryoorient.diagnosis.relax_inputs import relax_particles
from napari_cryoorient.particles import Floats, Particle, Several


@dataclass(frozen=True, eq=False, repr=False)
class RelaxedPoses(PoseEstimates):
    """The likeliest of the equivalent poses, and the ``probabilities`` ``(n, g)`` of all.

    Column i is that of element i of the group, which takes a pose A to ``A G^T``; column 0 is that
    of the pose as it was given.
    """

    probabilities: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    @overload
    def __getitem__(self, index: int) -> Particle: ...
    @overload
    def __getitem__(self, index: Several) -> RelaxedPoses: ...
    def __getitem__(self, index: int | Several) -> Particle | RelaxedPoses:
        chosen = super().__getitem__(index)
        if isinstance(chosen, RelaxedPoses):
            return replace(chosen, probabilities=self.probabilities[index])
        assert isinstance(chosen, Particle)
        return chosen


def relax(
    particles: AnyParticles,
    density: AnyMap,
    *,
    symmetry: str,
    mask: AnyMap | None = None,
    resolution_angstrom: float | None = None,
    invert_contrast: InvertContrast = "auto",
    device: DeviceName = "auto",
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
) -> RelaxedPoses:
    """Put each particle at the likeliest of its equivalent poses under a pseudo-symmetry.

    The confidence is the probability of the pose taken among its equivalents.

    Args:
        particles: a set with poses, poses found, or the path of a STAR or ``.cs`` file.
        density: a map that shows what breaks the symmetry.
        symmetry: the group the molecule nearly has, on RELION's axes: D7, say.
        mask: from 0 to 1 on the map's grid; outside it equivalents are taken to be the same.
        resolution_angstrom: finest detail used; by default where the stack's signal ends.
        invert_contrast: turn dark particles on white; "auto" does it where the sign is clear.
        device: "auto" takes CUDA, then MPS, then the CPU.
        progress: told (done, of so many).
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.

    Raises:
        InputError: for C1, for particles without poses, and where map, mask and stack do not fit.
        Stopped: when asked to stop.

    """
    stack = particles_of(particles)
    found = relax_particles(
        stack,
        map_of(density, stack),
        symmetry,
        choose_device(device),
        mask=None if mask is None else map_of(mask),
        resolution_angstrom=resolution_angstrom,
        invert_contrast=invert_contrast,
        name=name_of(particles),
        reporter=reporter_of(progress, say, should_stop),
    )
    return RelaxedPoses(
        replace(stack, poses=found.poses),
        confidence=found.probability,
        probabilities=found.probabilities,
    )
