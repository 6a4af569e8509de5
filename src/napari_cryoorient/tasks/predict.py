"""Poses for a STAR file from a run folder: what the command ``predict`` does."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_cryoorient.config import PredictConfig
from napari_cryoorient.device import choose_device, describe_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.star import read_particles, write_poses
from napari_cryoorient.memory import MATCHED, refuse_map_beyond, within_memory
from napari_cryoorient.networks.prediction import PredictedPoses
from napari_cryoorient.particles import NegatedImages, ParticleSet
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.stack.odd_images import left_out
from napari_cryoorient.stack.pairing import (
    TOLERANCE,
    RunInputs,
    load_inputs,
    matched_map,
    measure_contrast,
)
from napari_cryoorient.tasks.hypotheses import choose_hypotheses
from napari_cryoorient.tasks.image_paths import note_on_lost_images
from napari_cryoorient.tasks.predict_job import PredictJob
from napari_cryoorient.tasks.refine import polish
from napari_cryoorient.tasks.search import refuse_same_file
from napari_cryoorient.tasks.spread import AT_ONCE, Spread
from napari_cryoorient.training.checkpoint import network_of_checkpoint, read_checkpoint


@dataclass(frozen=True)
class StarPrediction:
    """What was predicted; None when stopped before the end, and then nothing was written.

    ``n_searched`` particles were searched globally by a refinement; None where none was requested.
    """

    predicted: PredictedPoses | None
    n_particles: int
    device: str
    notes: tuple[str, ...]
    n_searched: int | None = None


@within_memory
def predict_star(
    star_path: Path,
    run_dir: Path,
    out_path: Path,
    config: PredictConfig = PredictConfig(),
    *,
    map_path: Path | None = None,
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
    spread: Spread = AT_ONCE,
) -> StarPrediction:
    """Predict every particle of ``star_path`` and write ``out_path``, all its columns kept.

    With ``config.refine`` the poses are refined against ``map_path``, by default the map of the
    run, and particles that stay doubtful are searched, unless ``config.search`` is False; with
    ``config.n_hypotheses`` so many of the network's most probable views are compared and the best
    refined, not its one pose alone.

    Raises InputError for a run without a checkpoint, or a stack with another field of view.
    """
    refuse_same_file(star_path, out_path)
    state = read_checkpoint(Path(run_dir) / layout.CHECKPOINT)
    place = choose_device(config.device)
    particles, star = read_particles(Path(star_path), project_dir=project_dir)
    refuse_other_field(state, particles, str(star_path))
    inputs: RunInputs | None = None
    n_searched: int | None = None
    if config.is_compared:
        inputs = load_inputs(
            Path(star_path),
            map_path or map_of_run(Path(run_dir)),
            invert_contrast="yes" if state["contrast_negated"] else "no",
            project_dir=project_dir,
            map_pixel_size_angstrom=map_pixel_size_angstrom,
        )
    notes = list(particles.notes)
    if state["contrast_negated"]:
        particles = replace(particles, images=NegatedImages(particles.images))
        notes.append("images are negated, as they were for training")
    notes += _doubts_about_contrast(particles, Path(run_dir))
    for note in notes:
        reporter.say(f"Note: {note}")
    group = symmetry_matrices(str(state["config"]["symmetry"]))
    predicted: PredictedPoses | None = None
    if inputs is not None and config.n_hypotheses is not None:
        chosen = choose_hypotheses(
            inputs,
            state,
            group,
            place,
            n_hypotheses=config.n_hypotheses,
            searches=config.search,
            reporter=reporter,
            spread=spread,
        )
        if chosen is not None:
            predicted, n_searched = chosen.poses, chosen.n_searched
    else:
        network = network_of_checkpoint(state, place)
        job = PredictJob(state, network, particles, place, config.batch_size)
        with suppress(Stopped):
            predicted = spread.do("predict", job, reporter)
    if predicted is None:
        return StarPrediction(None, len(particles), describe_device(place), tuple(notes))
    refuse_all_empty(predicted, str(star_path))
    if predicted.is_empty.any():
        reporter.say(f"Note: {left_out(particles, predicted.rows[predicted.is_empty])}")
    poses, confidence = predicted.poses(particles.poses), predicted.confidence
    if inputs is not None and config.n_hypotheses is None:
        try:
            polished = polish(
                inputs,
                poses,
                group,
                place,
                searches=config.search,
                network_confidence=confidence,
                reporter=reporter,
                spread=spread,
            )
        except Stopped:
            return StarPrediction(None, len(particles), describe_device(place), tuple(notes))
        poses, confidence, n_searched = polished.poses, polished.confidence, polished.n_searched
    write_poses(star, poses, out_path, confidence=confidence)
    if (lost := note_on_lost_images(star, Path(out_path), project_dir)) is not None:
        reporter.say(lost)
    device_name = describe_device(place)
    return StarPrediction(predicted, len(particles), device_name, tuple(notes), n_searched)


def refuse_other_field(state: dict[str, Any], particles: ParticleSet, name: str) -> None:
    """Raise InputError where the images show more or less than those a network learned from."""
    field = particles.pixel_size_angstrom * particles.box
    trained = float(state["field_of_view_angstrom"])
    if abs(field / trained - 1.0) > TOLERANCE:
        raise InputError(
            f"The images of {name} show {field:.0f} A, those of the run {trained:.0f} A: "
            "extract the particles in the same field of view, or train again."
        )


def refuse_all_empty(predicted: PredictedPoses, name: str) -> None:
    """Raise InputError where no image is usable."""
    if predicted.is_empty.all():
        raise InputError(
            f"No image of {name} is usable: each of the {len(predicted.rows)} is of one grey "
            "value, or of values that are not finite numbers; extract the particles again."
        )


def _doubts_about_contrast(particles: ParticleSet, run_dir: Path) -> list[str]:
    """Return a warning where particles are dark where the run's map, if still there, is bright.

    Their poses are not looked at: they may be what the user wants to replace.
    """
    try:
        map_path = map_of_run(run_dir)
    except InputError:
        return []
    try:
        refuse_map_beyond(map_path, MATCHED, "Comparing images with the run's map")
    except InputError as error:
        return [f"contrast is not compared with that of training: {str(error).rstrip('.')}"]
    try:
        density = matched_map(read_map(map_path), particles)
    except InputError:
        return []
    contrast = measure_contrast(density, replace(particles, poses=None))
    if not contrast.is_inverted:
        return []
    return [
        "WARNING: contrast is the opposite of the training stack's (mean correlation with the "
        f"map's projections {contrast.correlation:+.3f}): these poses will be wrong; invert the "
        "stack and predict again"
    ]


def map_of_run(run_dir: Path) -> Path:
    """Return the map a run was trained with; raises InputError where it is gone."""
    record = RunReader(run_dir).run()
    known = None if record is None else record.inputs.map_path
    if known is None or not known.is_file():
        raise InputError(
            f"The map that {run_dir} was trained with is not there any more ({known}): name one "
            "with --map."
        )
    return known
