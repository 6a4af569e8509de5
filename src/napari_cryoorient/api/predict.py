"""Poses from a trained network."""

from __future__ import annotations

from dataclasses import replace

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyParticles, AnyPath, map_of, name_of, particles_of
from napari_cryoorient.api.network import TrainedNetwork
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, Stopped, silent
from napari_cryoorient.config import DeviceName
from napari_cryoorient.device import choose_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.networks.prediction import collect
from napari_cryoorient.networks.prediction import predict as predicted_chunks
from napari_cryoorient.particles import NegatedImages
from napari_cryoorient.stack.odd_images import left_out
from napari_cryoorient.stack.pairing import PairedInputs, pair_inputs
from napari_cryoorient.tasks.hypotheses import choose_hypotheses
from napari_cryoorient.tasks.predict import map_of_run, refuse_all_empty, refuse_other_field
from napari_cryoorient.tasks.refine import polish
from napari_cryoorient.training.checkpoint import network_of_checkpoint


def predict(
    network: TrainedNetwork | AnyPath,
    particles: AnyParticles,
    *,
    density: AnyMap | None = None,
    refine: bool = False,
    search: bool = True,
    n_hypotheses: int | None = None,
    device: DeviceName = "auto",
    batch_size: int | None = None,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
) -> PoseEstimates:
    """Tell the pose of every particle with a trained network.

    Args:
        network: as ``train`` returns it, or the path of a run folder or a checkpoint.
        particles: a set, or the path of a STAR or ``.cs`` file.
        density: the map to refine against; by default that of the run folder.
        refine: refine the poses, and search for particles that stay doubtful.
        search: False leaves the search out: each pose is climbed from alone.
        n_hypotheses: compare so many of the network's likeliest views with each image (64, say)
            and refine the best, instead of one pose; ``refine`` is implied.
        device: "auto" takes CUDA, then MPS, then the CPU.
        batch_size: images at once; by default what suits the device.
        progress: told (done, of so many).
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.

    Raises:
        InputError: where the images show more or less than those the network learned from.
        Stopped: when asked to stop.

    """
    if not isinstance(network, TrainedNetwork):
        network = TrainedNetwork.read(network)
    state, place, stack = network.state, choose_device(device), particles_of(particles)
    refuse_other_field(state, stack, name_of(particles))
    is_compared = refine or n_hypotheses is not None
    if is_compared and density is None:
        if network.folder is None:
            raise InputError("A network alone knows no map to refine against: give density.")
        density = map_of_run(network.folder)
    reference = None if density is None else map_of(density, stack)
    inputs: PairedInputs | None = None
    if is_compared:
        assert reference is not None
        inputs = pair_inputs(
            stack,
            reference,
            invert_contrast="yes" if state["contrast_negated"] else "no",
            name=name_of(particles),
        )
    group = symmetry_matrices(str(state["config"]["symmetry"]))
    trained, box = network_of_checkpoint(state, place), int(state["box"])
    if inputs is not None and n_hypotheses is not None:
        chosen = choose_hypotheses(
            inputs,
            trained,
            group,
            place,
            box=box,
            n_hypotheses=n_hypotheses,
            searches=search,
            progress=progress,
            say=say,
            should_stop=should_stop,
        )
        if chosen is None:
            raise Stopped
        poses = chosen.poses.poses(stack.poses)
        return PoseEstimates(replace(stack, poses=poses), confidence=chosen.poses.confidence)
    images = NegatedImages(stack.images) if state["contrast_negated"] else stack.images
    found = collect(
        predicted_chunks(
            trained,
            replace(stack, images=images),
            box=box,
            device=place,
            batch_size=batch_size,
            progress=progress,
            should_stop=should_stop,
        )
    )
    if found is None or len(found.rows) < len(stack):
        raise Stopped
    refuse_all_empty(found, name_of(particles))
    if found.is_empty.any() and say is not None:
        say(left_out(stack, found.rows[found.is_empty]))
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
        searches=search,
        network_confidence=found.confidence,
        progress=progress,
        say=say or silent,
    )
    return PoseEstimates(
        replace(stack, poses=polished.poses),
        confidence=polished.confidence,
        moved_deg=polished.refined.moved_deg,
    )
