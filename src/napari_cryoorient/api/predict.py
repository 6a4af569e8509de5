"""Poses from a trained network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyParticles, AnyPath, map_of, name_of, particles_of
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.network import TrainedNetwork
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, Stopped, reporter_of
from napari_cryoorient.config import PredictConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.memory import within_memory
from napari_cryoorient.networks.prediction import collect
from napari_cryoorient.networks.prediction import predict as predicted_chunks
from napari_cryoorient.particles import NegatedImages
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.stack.odd_images import left_out
from napari_cryoorient.stack.pairing import PairedInputs, pair_inputs
from napari_cryoorient.tasks.hypotheses import choose_hypotheses
from napari_cryoorient.tasks.predict import map_of_run, refuse_all_empty, refuse_other_field
from napari_cryoorient.tasks.refine import polish
from napari_cryoorient.training.checkpoint import network_of_checkpoint


@with_keywords(PredictConfig)
def predict(
    network: TrainedNetwork | AnyPath,
    particles: AnyParticles,
    *,
    density: AnyMap | None = None,
    config: PredictConfig | None = None,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> PoseEstimates:
    """Tell the pose of every particle with a trained network.

    Args:
        network: as ``train`` returns it, or the path of a run folder or a checkpoint.
        particles: a set, or the path of a STAR or ``.cs`` file.
        density: the map to refine against; by default that of the run folder.
        config: the settings; single ones by name go before its own.
        progress: told (done, of so many).
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.
        settings: fields of ``PredictConfig``.

    Raises:
        InputError: where the images show more or less than those the network learned from.
        Stopped: when asked to stop.

    """
    config = config_of(PredictConfig, config, settings)
    reporter = reporter_of(progress, say, should_stop)
    return _predicted(network, particles, density, config, reporter)


@within_memory
def _predicted(
    network: TrainedNetwork | AnyPath,
    particles: AnyParticles,
    density: AnyMap | None,
    config: PredictConfig,
    reporter: Reporter,
) -> PoseEstimates:
    if not isinstance(network, TrainedNetwork):
        network = TrainedNetwork.read(network)
    state, place, stack = network.state, choose_device(config.device), particles_of(particles)
    refuse_other_field(state, stack, name_of(particles))
    if config.is_compared and density is None:
        if network.folder is None:
            raise InputError("A network alone knows no map to refine against: give density.")
        density = map_of_run(network.folder)
    reference = None if density is None else map_of(density, stack)
    inputs: PairedInputs | None = None
    if config.is_compared:
        assert reference is not None
        inputs = pair_inputs(
            stack,
            reference,
            invert_contrast="yes" if state["contrast_negated"] else "no",
            name=name_of(particles),
        )
    group = symmetry_matrices(str(state["config"]["symmetry"]))
    if inputs is not None and config.n_hypotheses is not None:
        chosen = choose_hypotheses(
            inputs,
            state,
            group,
            place,
            n_hypotheses=config.n_hypotheses,
            searches=config.search,
            reporter=reporter,
        )
        if chosen is None:
            raise Stopped
        poses = chosen.poses.poses(stack.poses)
        return PoseEstimates(replace(stack, poses=poses), confidence=chosen.poses.confidence)
    trained, box = network_of_checkpoint(state, place), int(state["box"])
    images = NegatedImages(stack.images) if state["contrast_negated"] else stack.images
    found = collect(
        predicted_chunks(
            trained,
            replace(stack, images=images),
            box=box,
            device=place,
            batch_size=config.batch_size,
            reporter=reporter,
        )
    )
    if found is None or len(found.rows) < len(stack):
        raise Stopped
    refuse_all_empty(found, name_of(particles))
    if found.is_empty.any():
        reporter.say(left_out(stack, found.rows[found.is_empty]))
    estimates = PoseEstimates(
        replace(stack, poses=found.poses(stack.poses)), confidence=found.confidence
    )
    if inputs is None:
        return estimates
    polished = polish(
        inputs,
        estimates.poses,
        group,
        place,
        searches=config.search,
        network_confidence=found.confidence,
        reporter=reporter,
    )
    return PoseEstimates(
        replace(stack, poses=polished.poses),
        confidence=polished.confidence,
        moved_deg=polished.refined.moved_deg,
    )
