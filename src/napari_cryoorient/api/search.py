"""Poses by global search: none are needed to begin with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, reporter_of
from napari_cryoorient.config import SearchConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.stack.pairing import pair_inputs
from napari_cryoorient.tasks.search import random_rows, search_inputs


@with_keywords(SearchConfig)
def search(
    particles: AnyParticles,
    density: AnyMap,
    *,
    config: SearchConfig | None = None,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> PoseEstimates:
    """Find the pose of every particle from a reference map; poses they have are ignored.

    Args:
        particles: a set, or the path of a STAR or ``.cs`` file.
        density: the map, or the path of one or of an atomic model.
        config: the settings; single ones by name go before its own.
        progress: told (done, of so many).
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.
        settings: fields of ``SearchConfig``.

    Raises:
        InputError: where particles and map do not fit each other.
        Stopped: when asked to stop.

    """
    config = config_of(SearchConfig, config, settings)
    symmetry_matrices(config.symmetry)
    place, stack = choose_device(config.device), particles_of(particles)
    inputs = pair_inputs(
        stack,
        map_of(density, stack),
        invert_contrast=config.invert_contrast,
        name=name_of(particles),
    )
    rows = random_rows(len(stack), config.subset, config.seed)
    found = search_inputs(inputs, rows, place, config, reporter_of(progress, say, should_stop))
    searched = stack if len(rows) == len(stack) else stack.subset(rows)
    return PoseEstimates(
        replace(searched, poses=found.poses),
        confidence=found.confidence,
        correlation=found.correlation,
        runner_up=found.runner_up,
        pose_probability=found.pose_probability,
        presence_probability=found.presence_probability,
    )
