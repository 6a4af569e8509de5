"""The stages of one round; each leaves files, and is passed over where they are there already.

A round's folder holds ``reference.mrc`` (and ``reference_half1.mrc``, ``reference_half2.mrc`` where
the half-sets have their own), ``labels.star`` (first round), ``run`` (a run folder),
``predicted.star``, ``poses.star``, ``map.mrc``, ``map_half1.mrc``, ``map_half2.mrc``, ``fsc.csv``
and ``round.json``, which comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.cluster.commands import Workplace
from napari_cryoorient.config import (
    Config,
    PredictConfig,
    ReconstructConfig,
    RefineConfig,
    SearchConfig,
    TrainConfig,
)
from napari_cryoorient.device import choose_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.new_star import CONFIDENCE
from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star import read_particles, read_star, write_poses, write_star
from napari_cryoorient.particles import Floats, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.settings import OF_THE_MACHINE
from napari_cryoorient.stack.pairing import RunInputs, load_inputs, reference_for
from napari_cryoorient.studies.job import TrainingCommand
from napari_cryoorient.studies.remote import train_there
from napari_cryoorient.tasks.hypotheses import choose_hypotheses
from napari_cryoorient.tasks.predict import predict_star
from napari_cryoorient.tasks.reconstruct import half_sets, reconstruct_star
from napari_cryoorient.tasks.refine import polish
from napari_cryoorient.tasks.search import search_star
from napari_cryoorient.tasks.spread import AT_ONCE, Spread
from napari_cryoorient.tasks.train import run_training
from napari_cryoorient.training.checkpoint import read_checkpoint

# Labels less sure than this teach nothing.
LEAST_CONFIDENCE = 0.5
FEWEST_LABELS = 20


@dataclass(frozen=True)
class Stack:
    """What all rounds work on: the particles, and where their image names start from."""

    star: Path
    project_dir: Path | None
    symmetry: str
    training: Mapping[str, Any]
    """Fields of ``TrainConfig`` that the user gave."""
    n_labels: int = 1000
    fine_tuning_steps: int | None = None
    n_hypotheses: int = 0
    """Views of the network that an image is compared with after the first round; 0 for a search."""
    searches_doubtful: bool = False
    """Whether particles that these views leave in doubt are searched."""
    reporter: Reporter = SILENT
    place: Workplace | None = None
    """Who does the work, None for this process."""

    def spread(
        self, stage: str, settings: Config, out: Path, **others: Path
    ) -> AbstractContextManager[Spread]:
        """Give how the work of a stage is spread; ``others`` are the files it reads by names."""
        if self.place is None:
            return nullcontext(AT_ONCE)
        return self.place.spread(
            f"iterate, {stage}",
            settings,
            out,
            particles=self.star,
            others={name.replace("_", " "): path for name, path in others.items()},
            project_dir=self.project_dir,
        )

    @property
    def config(self) -> TrainConfig:
        """Settings of the first round's training, the preset's where the user gave none."""
        given = dict(self.training) | {"symmetry": self.symmetry, "labels": "star"}
        return TrainConfig(**given).resolved()

    @property
    def uses_hypotheses(self) -> bool:
        """Tell whether rounds after the first compare views that the network proposes."""
        return self.n_hypotheses > 0 and self.config.representation == "distribution"

    @property
    def seed(self) -> int:
        """Seed of everything random."""
        return int(self.training.get("seed", 0))

    @property
    def device(self) -> str:
        """Where to compute."""
        return str(self.training.get("device", "auto"))

    @property
    def memory_gib(self) -> float | None:
        """What the work may take; None for a part of what is free."""
        given = self.training.get("memory_gib")
        return None if given is None else float(given)

    @property
    def invert_contrast(self) -> str:
        """What is to be done about dark particles."""
        return str(self.training.get("invert_contrast", "auto"))

    def shared(self, *names: str) -> dict[str, Any]:
        """Return the settings of training that other commands have too: where, and these."""
        return {name: getattr(self, name) for name in (*OF_THE_MACHINE, *names)}


def label(stack: Stack, folder: Path) -> None:
    """Search a random part of the stack globally, and keep the particles that are sure."""
    out = folder / "labels.star"
    if out.is_file():
        return
    stack.reporter.step("Labels: searching")
    everything = folder / "searched.star"
    config = SearchConfig(
        subset=stack.n_labels, **stack.shared("symmetry", "invert_contrast", "seed")
    )
    reference = folder / "reference.mrc"
    with stack.spread("labels", config, out, the_map=reference) as spread:
        done = search_star(
            stack.star,
            reference,
            everything,
            config,
            project_dir=stack.project_dir,
            reporter=stack.reporter,
            spread=spread,
        )
    assert done.found is not None
    sure = done.found.confidence >= LEAST_CONFIDENCE
    if sure.sum() < FEWEST_LABELS:
        raise InputError(
            f"The search is sure of {int(sure.sum())} of {len(sure)} particles only: the map is "
            "too poor a start, the stack too noisy, or of another particle; see more of them "
            "(--subset), or start from a better map."
        )
    star = read_star(everything)
    block = particle_block(star)
    kept = block.table.iloc[np.flatnonzero(sure)].reset_index(drop=True)
    write_star(star.with_block(block.with_table(kept)), out)
    everything.unlink()
    stack.reporter.say(f"Labels: {int(sure.sum())} of {len(sure)} particles searched are sure.")


def train(stack: Stack, folder: Path, star: Path, earlier_run: Path | None) -> None:
    """Train on the round's reference, from ``earlier_run`` where there is one."""
    run = folder / "run"
    status = RunReader(run).status()
    if status.state == "finished":
        return
    given = dict(stack.training)
    if earlier_run is not None:
        for name in ("steps", "minutes"):
            given.pop(name, None)
        if stack.fine_tuning_steps is not None:
            given["steps"] = stack.fine_tuning_steps
        given["from_run"] = str(earlier_run)
    given |= {"symmetry": stack.symmetry, "labels": "star"}
    reference = folder / "reference.mrc"
    if stack.place is not None and stack.place.is_elsewhere:
        stack.reporter.step("Training")
        asked = TrainingCommand(star, reference, given, stack.project_dir)
        train_there(asked.job(run.name, folder, {}), stack.place.workers(), stack.reporter)
        _refuse_unfinished(run)
        return
    run_training(
        TrainConfig(**given),
        star,
        reference,
        run,
        resume=(run / layout.CHECKPOINT).is_file(),
        project_dir=stack.project_dir,
        reporter=stack.reporter,
    )
    _refuse_unfinished(run)


def _refuse_unfinished(run: Path) -> None:
    """Raise KeyboardInterrupt for a run that was stopped through its control.json."""
    if RunReader(run).status().state != "finished":
        raise KeyboardInterrupt


def predict(stack: Stack, folder: Path) -> None:
    """Predict every particle of the stack."""
    if (folder / "predicted.star").is_file():
        return
    stack.reporter.step("Predicting")
    config, out = PredictConfig(**stack.shared()), folder / "predicted.star"
    network = folder / "run" / layout.CHECKPOINT
    with stack.spread("prediction", config, out, the_network=network) as spread:
        predict_star(
            stack.star,
            folder / "run",
            out,
            config,
            project_dir=stack.project_dir,
            reporter=stack.reporter,
            spread=spread,
        )


def refine(stack: Stack, folder: Path) -> None:
    """Refine every predicted pose, and search for those left in doubt."""
    out = folder / "poses.star"
    if out.is_file():
        return
    predicted, _ = read_particles(folder / "predicted.star", project_dir=stack.project_dir)
    start = predicted.poses
    assert start is not None
    inputs = load_inputs(
        stack.star,
        folder / "reference.mrc",
        invert_contrast=stack.invert_contrast,
        project_dir=stack.project_dir,
    )
    inputs = replace(inputs, particles=replace(inputs.particles, poses=start))

    config = RefineConfig(**stack.shared("symmetry", "invert_contrast"))

    def polished(
        part: RunInputs, reference: Path, group: Tensor, device: torch.device
    ) -> tuple[Poses, Floats]:
        assert part.particles.poses is not None
        files = {"the_map": reference, "the_predictions": folder / "predicted.star"}
        own = folder / f"poses_{reference.stem}"
        with stack.spread("refinement", config, own, **files) as spread:
            done = polish(
                part,
                part.particles.poses,
                group,
                device,
                reporter=stack.reporter,
                spread=spread,
            )
        return done.poses, done.confidence

    in_parts(stack, folder, inputs, polished)


def choose(stack: Stack, folder: Path) -> None:
    """Compare every particle with the views that the round's network proposes."""
    if (folder / "poses.star").is_file():
        return
    inputs = load_inputs(
        stack.star,
        folder / "reference.mrc",
        invert_contrast=stack.invert_contrast,
        project_dir=stack.project_dir,
    )
    config = PredictConfig(
        **stack.shared(), n_hypotheses=stack.n_hypotheses, search=stack.searches_doubtful
    )
    network = folder / "run" / layout.CHECKPOINT
    state = read_checkpoint(network)

    def chosen(
        part: RunInputs, reference: Path, group: Tensor, device: torch.device
    ) -> tuple[Poses, Floats]:
        own = folder / f"poses_{reference.stem}"
        files = {"the_map": reference, "the_network": network}
        with stack.spread("hypotheses", config, own, **files) as spread:
            done = choose_hypotheses(
                part,
                state,
                group,
                device,
                n_hypotheses=stack.n_hypotheses,
                searches=stack.searches_doubtful,
                reporter=stack.reporter,
                spread=spread,
            )
        assert done is not None
        assert done.poses.confidence is not None
        return done.poses.poses(part.particles.poses), done.poses.confidence

    in_parts(stack, folder, inputs, chosen)


def in_parts(
    stack: Stack,
    folder: Path,
    inputs: RunInputs,
    work: Callable[[RunInputs, Path, Tensor, torch.device], tuple[Poses, Floats]],
) -> None:
    """Write the poses of all particles, those of a half-set found with its own reference.

    ``work`` returns poses and confidence of the particles of a part, against the map of a file.
    """
    n = len(inputs.particles)
    rotations, shifts, confidence = np.zeros((n, 3, 3)), np.zeros((n, 2)), np.zeros(n)
    group, device = symmetry_matrices(stack.symmetry), choose_device(stack.device)
    for part, reference, rows in _parts_to_refine(folder, inputs, stack.seed):
        part_of_stack = replace(part, particles=inputs.particles.subset(rows))
        poses, confidence[rows] = work(part_of_stack, reference, group, device)
        rotations[rows], shifts[rows] = poses.rotations, poses.shifts_angstrom
    out = folder / "poses.star"
    write_poses(inputs.star, Poses(rotations, shifts), out, confidence=confidence)


def _parts_to_refine(
    folder: Path, inputs: RunInputs, seed: int
) -> list[tuple[RunInputs, Path, np.ndarray]]:
    """Return what is refined against what: inputs, the reference's file, rows of the stack."""
    n, common = len(inputs.particles), folder / "reference.mrc"
    own = [folder / f"reference_half{half}.mrc" for half in (1, 2)]
    if not all(path.is_file() for path in own):
        return [(inputs, common, np.arange(n, dtype=np.int64))]
    sets = half_sets(inputs.particles.random_subset, n, seed, lambda sentence: None)
    parts = [
        (
            replace(inputs, density=reference_for(inputs.particles, read_map(path))),
            path,
            rows,
        )
        for path, rows in zip(own, sets, strict=True)
    ]
    rest = np.setdiff1d(np.arange(n), np.concatenate(sets))
    return parts if not len(rest) else [*parts, (inputs, common, rest)]


def reconstruct(stack: Stack, folder: Path) -> None:
    """Reconstruct the map and both half-maps from the round's poses, weighed by confidence."""
    if (folder / "map.mrc").is_file():
        return
    stack.reporter.step("Reconstructing")
    config = ReconstructConfig(
        half_maps=True, **stack.shared("symmetry", "invert_contrast", "seed")
    )
    out, poses = folder / "map.mrc", folder / "poses.star"
    with stack.spread("reconstruction", config, out, the_poses=poses) as spread:
        reconstruct_star(
            stack.star,
            out,
            config,
            poses_path=poses,
            project_dir=stack.project_dir,
            reporter=stack.reporter,
            spread=spread,
        )


def confidences(folder: Path) -> Floats:
    """Return the confidence of each of the round's poses."""
    return ParticleTable(read_star(folder / "poses.star")).floats(CONFIDENCE)
