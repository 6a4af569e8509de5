"""Which of the equivalent poses of a pseudo-symmetry each particle is at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, overload

import numpy as np

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, reporter_of
from napari_cryoorient.config import RelaxConfig
from napari_cryoorient.diagnosis.relax_inputs import relax_particles
from napari_cryoorient.particles import Floats, Particle, Several


@dataclass(frozen=True, eq=False, repr=False)
class RelaxedPoses(PoseEstimates):
    """The most probable of the equivalent poses, and the ``probabilities`` ``(n, g)`` of all.

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


@with_keywords(RelaxConfig)
def relax(
    particles: AnyParticles,
    density: AnyMap,
    *,
    mask: AnyMap | None = None,
    config: RelaxConfig | None = None,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> RelaxedPoses:
    """Put each particle at the most probable of its equivalent poses under a pseudo-symmetry.

    The confidence is the probability of the pose chosen among its equivalents.

    Args:
        particles: a set with poses, poses found, or the path of a STAR or ``.cs`` file.
        density: a map that shows what breaks the symmetry.
        mask: from 0 to 1 on the map's grid; outside it equivalents are assumed to be the same.
        config: the settings; single ones by name go before its own.
        progress: told (done, of so many).
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.
        settings: fields of ``RelaxConfig``; ``symmetry`` has to be named.

    Raises:
        InputError: for C1, for particles without poses, and where map, mask and stack do not fit.
        Stopped: when asked to stop.

    """
    stack = particles_of(particles)
    found = relax_particles(
        stack,
        map_of(density, stack),
        config_of(RelaxConfig, config, settings),
        mask=None if mask is None else map_of(mask),
        name=name_of(particles),
        reporter=reporter_of(progress, say, should_stop),
    )
    return RelaxedPoses(
        replace(stack, poses=found.poses),
        confidence=found.probability,
        probabilities=found.probabilities,
    )
