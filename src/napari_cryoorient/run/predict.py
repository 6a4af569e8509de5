"""Poses for a STAR file from a run folder: what the command ``predict`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from napari_cryoorient.batches import NegatedImages
from napari_cryoorient.device import choose_device, describe_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star import read_particles, write_poses
from napari_cryoorient.prediction import PredictedPoses, collect, predict
from napari_cryoorient.run.inputs import TOLERANCE
from napari_cryoorient.training.checkpoint import network_of_checkpoint, read_checkpoint


@dataclass(frozen=True)
class StarPrediction:
    """What was predicted; None when stopped before the end, and then nothing was written."""

    predicted: PredictedPoses | None
    n_particles: int
    device: str
    notes: tuple[str, ...]


def predict_star(
    star_path: Path,
    run_dir: Path,
    out_path: Path,
    *,
    device: str = "auto",
    project_dir: Path | None = None,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> StarPrediction:
    """Predict every particle of ``star_path`` and write ``out_path``, all its columns kept.

    Raises InputError for a run without a checkpoint, or a stack with another field of view.
    """
    state = read_checkpoint(Path(run_dir) / "checkpoint.pt")
    place = choose_device(device)
    particles, star = read_particles(Path(star_path), project_dir=project_dir)
    field = particles.pixel_size_angstrom * particles.box
    trained = float(state["field_of_view_angstrom"])
    if abs(field / trained - 1.0) > TOLERANCE:
        raise InputError(
            f"The images of {star_path} show {field:.0f} A, those of the run {trained:.0f} A: "
            "extract the particles in the same field of view, or train anew."
        )
    notes = list(particles.notes)
    if state["contrast_negated"]:
        particles = replace(particles, images=NegatedImages(particles.images))
        notes.append("images are negated, as they were for training")
    predicted = collect(
        predict(
            network_of_checkpoint(state, place),
            particles,
            box=int(state["box"]),
            device=place,
            batch_size=batch_size,
            progress=progress,
            should_stop=should_stop,
        )
    )
    if predicted is None or len(predicted.rows) < len(particles):
        return StarPrediction(None, len(particles), describe_device(place), tuple(notes))
    write_poses(star, predicted.poses(particles.poses), out_path, confidence=predicted.confidence)
    return StarPrediction(predicted, len(particles), describe_device(place), tuple(notes))
