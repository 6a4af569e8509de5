"""Which of the equivalent poses of a pseudo-symmetry each particle is at."""

from __future__ import annotations

from dataclasses import replace

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, silent
from napari_cryoorient.config import DeviceName, InvertContrast
from napari_cryoorient.device import choose_device
from napari_cryoorient.diagnosis.relax_inputs import relax_inputs
from napari_cryoorient.stack.pairing import pair_inputs


def relax(
    particles: AnyParticles,
    density: AnyMap,
    *,
    symmetry: str,
    invert_contrast: InvertContrast = "auto",
    device: DeviceName = "auto",
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
) -> PoseEstimates:
    """Put each particle at the likeliest of its equivalent poses under a pseudo-symmetry.

    ``density`` shows what breaks the symmetry.  The confidence is the probability of the pose taken
    among its equivalents.  ``invert_contrast`` turns dark particles on white.

    Raises:
        InputError: for C1, and for particles without poses.
        Stopped: when asked to stop.

    """
    place, stack = choose_device(device), particles_of(particles)
    inputs = pair_inputs(
        stack,
        map_of(density, stack),
        invert_contrast=invert_contrast,
        name=name_of(particles),
    )
    found = relax_inputs(
        inputs, symmetry, place, progress=progress, say=say or silent, should_stop=should_stop
    )
    return PoseEstimates(replace(stack, poses=found.poses), confidence=found.probability)
