"""The phases of a training run, in the order of time: preparing, training, predicting."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from napari_cryoorient.config import PRESETS, TrainConfig
from napari_cryoorient.device import describe_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star import write_poses
from napari_cryoorient.networks.prediction import collect, predict
from napari_cryoorient.particles import counted
from napari_cryoorient.reporting import Reporter, Say
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.folder import RunFolder
from napari_cryoorient.runs.silent_folder import SilentFolder
from napari_cryoorient.simulation.simulate import symmetry_agreement, symmetry_doubt
from napari_cryoorient.stack.pairing import RunInputs
from napari_cryoorient.tasks.preparation import (
    held_out_of,
    loop_budget_s,
    precision_of,
    prediction_facts,
    usable_split,
)
from napari_cryoorient.tasks.recipes import make_recipe
from napari_cryoorient.tasks.resolve_config import facts_of
from napari_cryoorient.tasks.steering import Steering
from napari_cryoorient.tasks.training_progress import RunProgress
from napari_cryoorient.training.checkpoint import read_checkpoint, restore, write_checkpoint
from napari_cryoorient.training.fine_tuning import EarlierNetwork
from napari_cryoorient.training.loop import Cadence, train
from napari_cryoorient.training.ranks import ALONE, Ranks
from napari_cryoorient.training.recipe import Recipe
from napari_cryoorient.training.report import Report


class TrainingRun:
    """One run from its inputs to ``poses.star``: the parts that its phases share."""

    def __init__(
        self,
        config: TrainConfig,
        inputs: RunInputs,
        folder: RunFolder | SilentFolder,
        steering: Steering,
        device: torch.device,
        watch: Callable[[RunProgress], None],
        say: Say,
        cadence: Cadence | None,
        ranks: Ranks = ALONE,
    ) -> None:
        assert config.box is not None
        self.config, self.inputs, self.folder = config, inputs, folder
        self.steering, self.device = steering, device
        self.box = config.box
        self.watch, self.say, self.cadence = watch, say, cadence
        self.ranks = ranks

    def note(self, sentence: str) -> None:
        """Say a sentence to the user, and keep it."""
        self.folder.note(sentence)
        self.say(sentence)

    def go(
        self, paths: dict[str, str], resume: bool, earlier: EarlierNetwork | None = None
    ) -> str | None:
        """Train, from the weights of ``earlier`` if given, and predict the stack.

        Returns None, or why it stopped early.
        """
        config, particles = self.config, self.inputs.particles
        torch.manual_seed(config.seed)
        train_rows, test_rows = usable_split(particles, config, "the stack")
        cadence = self.cadence or Cadence()
        if not self.ranks.is_first:
            cadence = replace(cadence, report_s=math.inf, checkpoint_s=math.inf)
        if config.n_folds is not None:  # every particle is tested once, however many there are
            cadence = replace(cadence, n_final_test=len(test_rows))
        self.folder.update(inputs=paths | self._describe_inputs(len(train_rows), len(test_rows)))
        self.folder.write_split(train_rows, test_rows)
        self.note(f"Computing on {describe_device(self.device)}{self._describe_ranks()}.")
        for sentence in (*self.inputs.notes, *self._doubt_of_symmetry()):
            self.note(sentence)
        n_out = len(particles) - len(train_rows) - len(test_rows)
        if n_out:
            self.note(
                f"{counted(n_out, 'particle')} with unusable images: neither learned from "
                "nor tested on; poses.star has them with the poses they had and a confidence of 0."
            )
        recipe, labels = make_recipe(
            self.inputs,
            config,
            self.device,
            train_rows,
            test_rows,
            Reporter(say=self.note, should_stop=self.steering.should_stop),
            earlier,
            self.ranks,
        )
        if earlier is not None:
            self.note(
                f"Fine-tuning: starts from the weights of {earlier.name}, step {earlier.step}; "
                f"{recipe.n_steps} steps are planned."
            )
        held_out = None
        if self.ranks.is_first:  # the others train alone, and wait while it tests
            held_out = held_out_of(
                self.inputs, labels, test_rows, box=self.box, device=self.device, seed=config.seed
            )
        ends_early = config.minutes is not None and not PRESETS[config.preset].fits_minutes
        if ends_early and config.steps is not None:
            self.note(
                f"--minutes ends training early, whatever the schedule: the learning rate drops at "
                f"step {round(config.decay_at * config.steps)} of {config.steps} only."
            )
        first_step, seconds, precision = self._start(recipe, resume)
        self.steering.can_save = True

        self.folder.update(phase="training")
        finished = False
        for report in train(
            recipe,
            w=config.w,
            control=self.steering,
            held_out=held_out,
            precision=precision,
            first_step=first_step,
            seconds_before=seconds,
            max_seconds=loop_budget_s(config),
            cadence=cadence,
        ):
            self._write(report, recipe)
            finished = report.outcome == "finished" or finished
        if not finished:
            return "as requested; it can be resumed"
        return self._predict(recipe) if self.ranks.is_first else None

    def _describe_inputs(self, n_train: int, n_test: int) -> dict[str, Any]:
        return {
            **facts_of(self.inputs),
            "n_train": n_train,
            "n_test": n_test,
            "working_box": self.box,
            "contrast_correlation": self.inputs.contrast.correlation,
            "is_negated": self.inputs.is_negated,
        }

    def _describe_ranks(self) -> str:
        return "" if self.ranks.size == 1 else f", {self.ranks.size} processes together"

    def _doubt_of_symmetry(self) -> tuple[str, ...]:
        """Return a sentence where the map does not have the symmetry that was named."""
        agreement = symmetry_agreement(self.inputs.density, self.config.symmetry)
        sentence = symmetry_doubt(self.config.symmetry, agreement)
        return () if sentence is None else (f"WARNING: {sentence}",)

    def _start(self, recipe: Recipe, resume: bool) -> tuple[int, float, str]:
        """Return the first step, seconds spent and precision: fresh, or from the checkpoint."""
        path = self.folder.path / layout.CHECKPOINT
        if resume and path.is_file():
            state = read_checkpoint(path)
            if state["contrast_negated"] != self.inputs.is_negated or state["box"] != self.box:
                raise InputError(
                    "The run was started with another box or contrast: resume with the settings "
                    "and files it was started with."
                )
            restore(recipe, state)
            self.ranks.refuse_uneven(recipe.batch_size)
            self.folder.drop_metrics_after(state["step"])
            self.note(f"Resumed after step {state['step']} of {recipe.n_steps}.")
            precision, why = state["precision"], "as in the checkpoint"
            first_step, seconds = int(state["step"]), float(state["seconds"])
        else:
            self.folder.drop_metrics_after(0)
            precision, why = precision_of(self.config, recipe, self.device)
            first_step, seconds = 0, 0.0
            self.note(f"Precision: {why}")
        self.folder.update(
            device={
                "type": self.device.type,
                "name": describe_device(self.device),
                "precision": precision,
                "precision_reason": why,
            }
        )
        return first_step, seconds, precision

    def _write(self, report: Report, recipe: Recipe) -> None:
        """Put one report of the loop on disk, and tell of it; the first process does, for all."""
        if isinstance(self.folder, SilentFolder):
            return
        if report.note is not None:
            self.note(report.note)
        if report.checkpoint is not None:
            facts = prediction_facts(self.config, self.inputs)
            write_checkpoint(report.checkpoint | facts, self.folder.path / layout.CHECKPOINT)
        if report.preview is not None:
            self.folder.write_preview(report.preview)
        if report.metrics is not None:
            self.folder.write_metrics(report.metrics)
            m = report.metrics
            self.watch(RunProgress("training", m.step, recipe.n_steps, m.time_left_s, m))

    def _predict(self, recipe: Recipe) -> str | None:
        """Write ``poses.star`` for the whole stack; return None, or why not."""
        self.folder.update(phase="predicting")
        began = time.monotonic()

        def advance(done: float, total: float) -> None:
            left = (time.monotonic() - began) * (total - done) / done
            self.watch(RunProgress("predicting", int(done), int(total), left))

        particles = self.inputs.particles
        predicted = collect(
            predict(
                recipe.evaluation_network,
                particles,
                box=self.box,
                device=self.device,
                reporter=Reporter(should_stop=self.steering.should_stop).watched(advance),
            )
        )
        if predicted is None or len(predicted.rows) < len(particles):
            return "as requested, before poses.star was written; training itself had finished"
        write_poses(
            self.inputs.star,
            predicted.poses(particles.poses),
            self.folder.path / layout.POSES,
            confidence=predicted.confidence,
        )
        seconds = time.monotonic() - began
        self.note(
            f"Predicted {len(particles)} particles in {seconds:.1f} s "
            f"({len(particles) / max(seconds, 1e-9):.0f} a second)."
        )
        return None
