"""Poses made better: each climbs from where it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, reporter_of
from napari_cryoorient.config import RefineConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.stack.pairing import pair_inputs
from napari_cryoorient.tasks.refine import refine_inputs


@with_keywords(RefineConfig)
def refine(
    particles: AnyParticles,
    density: AnyMap,
    *,
    config: RefineConfig | None = None,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> PoseEstimates:
    """Refine rotation and shift of particles that have poses within about 10 degrees.

    The symmetry matters for the confidence alone.

    Args:
        particles: a set with poses, or the path of a STAR or ``.cs`` file.
        density: the map, or the path of one or of an atomic model.
        config: the settings; single ones by name go before its own.
        progress: told (done, of so many).
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.
        settings: fields of ``RefineConfig``.

    Raises:
        InputError: for particles without poses, or where particles and map do not fit each other.
        Stopped: when asked to stop.

    """
    config = config_of(RefineConfig, config, settings)
    symmetry_matrices(config.symmetry)
    place, stack = choose_device(config.device), particles_of(particles)
    inputs = pair_inputs(
        stack,
        map_of(density, stack),
        invert_contrast=config.invert_contrast,
        name=name_of(particles),
    )
    refined, confidence = refine_inputs(
        inputs,
        place,
        config,
        name=name_of(particles),
        reporter=reporter_of(progress, say, should_stop),
    )
    return PoseEstimates(
        replace(stack, poses=refined.poses),
        confidence=confidence,
        correlation=refined.correlation,
        moved_deg=refined.moved_deg,
    )
