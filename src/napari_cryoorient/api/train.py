"""Training a network on particles and a map, in memory or into a run folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from napari_cryoorient.api.files import AnyMap, AnyParticles, AnyPath, map_of, name_of, particles_of
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.network import TrainedNetwork
from napari_cryoorient.api.progress import Say, ShouldStop, Stopped, reporter_of
from napari_cryoorient.config import TrainConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.memory import within_memory
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.stack.pairing import pair_inputs
from napari_cryoorient.tasks.preparation import (
    held_out_of,
    loop_budget_s,
    precision_of,
    prediction_facts,
    usable_split,
)
from napari_cryoorient.tasks.recipes import make_recipe
from napari_cryoorient.tasks.resolve_config import fine_tuning, with_box
from napari_cryoorient.tasks.train import run_training
from napari_cryoorient.tasks.training_progress import RunProgress
from napari_cryoorient.training.loop import Cadence
from napari_cryoorient.training.loop import train as train_loop
from napari_cryoorient.training.report import Metrics, Request

# Nobody looks on: no previews, and one checkpoint at the end.
_IN_MEMORY = Cadence(checkpoint_s=float("inf"), preview_s=float("inf"))

Watch = Callable[[Metrics], None]
"""Is told how training goes, a few times a second."""


@with_keywords(TrainConfig)
def train(
    particles: AnyParticles,
    density: AnyMap,
    *,
    folder: AnyPath | None = None,
    config: TrainConfig | None = None,
    progress: Watch | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> TrainedNetwork:
    """Train a network to tell the poses of such particles from their images.

    Args:
        particles: a set, or the path of a STAR or ``.cs`` file; with poses they are learned from,
            without them from projections of the map.
        density: the map, or the path of one or of an atomic model.
        folder: keep the run there, as the command ``train`` does: it can be watched, steered and
            resumed.  Particles and map must then come from files.
        config: the settings; single ones by name (``steps=500, w=0.4``) go before its own.
        progress: told the figures of the training, a few times a second.
        say: told each sentence for the user.
        should_stop: asked at each step.  In memory, the network as it then is is returned; before
            the first step Stopped is raised.
        settings: fields of ``TrainConfig``.

    Raises:
        InputError: where the settings, particles and map do not fit each other.
        TrainingFailure: when the loss is no longer finite, or memory runs out.
        Stopped: when asked to stop before there is anything to return.

    """
    config = config_of(TrainConfig, config, settings)
    if folder is not None:
        return _into_folder(particles, density, Path(folder), config, progress, say, should_stop)
    return _in_memory(particles, density, config, progress, say, should_stop)


@within_memory
def _in_memory(
    particles: AnyParticles,
    density: AnyMap,
    config: TrainConfig,
    progress: Watch | None,
    say: Say | None,
    should_stop: ShouldStop | None,
) -> TrainedNetwork:
    stack = particles_of(particles)
    earlier = None
    if config.from_run is not None:
        config, earlier, _ = fine_tuning(config)
    config, device = config.resolved(), choose_device(config.device)
    symmetry_matrices(config.symmetry)
    inputs = pair_inputs(
        stack,
        map_of(density, stack),
        invert_contrast=config.invert_contrast,
        name=name_of(particles),
    )
    train_rows, test_rows = usable_split(inputs.particles, config, name_of(particles))
    config = with_box(config, inputs)
    assert config.box is not None
    reporter = reporter_of(say=say, should_stop=should_stop)
    say, stops = reporter.say, reporter.should_stop
    for note in inputs.notes:
        say(note)
    torch.manual_seed(config.seed)
    try:
        recipe, labels = make_recipe(
            inputs, config, device, train_rows, test_rows, reporter, earlier
        )
    except KeyboardInterrupt:
        if stops():
            raise Stopped from None
        raise
    held_out = held_out_of(
        inputs, labels, test_rows, box=config.box, device=device, seed=config.seed
    )
    precision, _ = precision_of(config, recipe, device)
    last: Metrics | None = None
    state: dict[str, Any] | None = None
    for report in train_loop(
        recipe,
        w=config.w,
        control=_Asked(stops),
        held_out=held_out,
        precision=precision,
        max_seconds=loop_budget_s(config),
        cadence=_IN_MEMORY,
    ):
        if report.note is not None:
            say(report.note)
        if report.checkpoint is not None:
            state = report.checkpoint
        if report.metrics is not None:
            last = report.metrics
            if progress is not None:
                progress(last)
    if state is None or not state["step"]:
        raise Stopped
    return TrainedNetwork(state | prediction_facts(config, inputs), last)


class _Asked:
    """Tells the loop to stop when the caller's function says so."""

    def __init__(self, should_stop: ShouldStop) -> None:
        self._should_stop = should_stop

    def poll(self) -> Request:
        return Request(stop=self._should_stop())


def _into_folder(
    particles: AnyParticles,
    density: AnyMap,
    folder: Path,
    config: TrainConfig,
    progress: Watch | None,
    say: Say | None,
    should_stop: ShouldStop | None,
) -> TrainedNetwork:
    """Train as the command does; a request to stop goes through the folder, as in the window."""
    if not isinstance(particles, str | os.PathLike) or not isinstance(density, str | os.PathLike):
        raise InputError(
            "A run folder is of files: name particles and map by their paths, or leave out folder."
        )

    def advance(now: RunProgress) -> None:
        if progress is not None and now.metrics is not None:
            progress(now.metrics)
        if should_stop is not None and should_stop():
            RunReader(folder).ask(stop=True)

    run_training(
        config, Path(particles), Path(density), folder, reporter=reporter_of(say=say), watch=advance
    )
    network = TrainedNetwork.read(folder)
    if not network.state["step"]:
        raise Stopped
    return network
