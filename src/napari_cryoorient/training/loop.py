"""The training loop: one generator for every preset, read from top to bottom in the order of time.

A slow step is abandoned, not finished, when a stop is asked for: the checkpoint then stands before
the step, and resuming repeats it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from napari_cryoorient.device import is_out_of_memory, release_memory
from napari_cryoorient.errors import TrainingFailure
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.stack.batches import Batch
from napari_cryoorient.training.checkpoint import snapshot
from napari_cryoorient.training.held_out import HeldOut, Scores, ScoreSums, evaluate, preview
from napari_cryoorient.training.interrupt import Abandoned, abandoning
from napari_cryoorient.training.precision import lay_out_weights
from napari_cryoorient.training.recipe import Recipe
from napari_cryoorient.training.recorded import RecordedSteps
from napari_cryoorient.training.report import Control, Metrics, NoControl, Report
from napari_cryoorient.training.steps import (
    batch_that_fits,
    go_back,
    halve,
    not_finite,
    raise_if_not_finite,
    remember,
    whole_step,
)

# A step that takes longer is left half-done rather than awaited.
SLOW_STEP_S = 0.4


@dataclass(frozen=True)
class Cadence:
    """How often the loop does what is not training; seconds of wall time, or parts of it.

    None of it changes the losses.
    """

    report_s: float = 0.3
    checkpoint_s: float = 60.0
    preview_s: float = 1.0
    test_s: float = 3.0
    # Previews, and tests, take at most this part of the time.
    spare_part: float = 0.08
    n_preview: int = 8
    n_test: int = 96
    n_final_test: int = 2000


@dataclass
class _StepSums:
    """Steps since the last report: their figures, still on the device, and the last's predictions.

    ``figures`` are ``(4,)`` a step: loss, QD, reprojection and the norm of the gradient.  They are
    read when there is something to tell: reading makes a GPU wait.
    """

    first_step: int = 0
    n_images: int = 0
    figures: list[Tensor] = field(default_factory=list)
    batch: Batch | None = None
    prediction: PosePrediction | None = None

    def add(
        self, batch: Batch, figures: Tensor, prediction: PosePrediction, *, n_images: int
    ) -> None:
        """Take one more step in, of ``n_images`` in all processes."""
        self.n_images += n_images
        self.figures.append(figures)
        self.batch, self.prediction = batch, prediction

    def means(self) -> tuple[float, float, float]:
        """Return mean loss, QD and reprojection.

        Raises TrainingFailure, naming the first step at which a figure is not finite.
        """
        by_step = torch.stack(self.figures).cpu().double()
        raise_if_not_finite(by_step.tolist(), self.first_step)
        loss, qd, reprojection, _ = by_step.mean(0).tolist()
        return loss, qd, reprojection


class _Due:
    """Tells when something that costs time may be done again."""

    def __init__(self, interval_s: float, spare_part: float = 1.0) -> None:
        self._interval_s, self._spare_part = interval_s, spare_part
        self._next = -math.inf

    def __call__(self) -> bool:
        return time.perf_counter() >= self._next

    def done(self, began: float) -> None:
        now = time.perf_counter()
        self._next = now + max(self._interval_s, (now - began) / self._spare_part)


def train(
    recipe: Recipe,
    *,
    w: float,
    control: Control | None = None,
    held_out: HeldOut | None = None,
    precision: str = "float32",
    first_step: int = 0,
    seconds_before: float = 0.0,
    max_seconds: float | None = None,
    cadence: Cadence | None = None,
) -> Iterator[Report]:
    """Train ``recipe`` from ``first_step`` to its ``n_steps`` and tell how it goes.

    ``w`` holds until ``control`` asks for another.  ``seconds_before`` is time spent before a
    resumed run, and counts towards ``max_seconds``.  The last report carries the outcome.

    Raises TrainingFailure when the loss is no longer finite or one image no longer fits in memory;
    checkpoints reported before are good.
    """
    control, cadence = control or NoControl(), cadence or Cadence()
    began = time.perf_counter() - seconds_before
    test_due = _Due(cadence.test_s, cadence.spare_part)
    preview_due = _Due(cadence.preview_s, cadence.spare_part)
    report_due, checkpoint_due = _Due(cadence.report_s), _Due(cadence.checkpoint_s)
    lay_out_weights(recipe.network, precision, recipe.device)
    ranks = recipe.ranks
    network = ranks.together(recipe.network)
    scores: Scores | None = None
    told: Metrics | None = None
    sums, last_report = _StepSums(first_step), time.perf_counter()
    step = first_step
    stopping = False

    def should_stop() -> bool:
        nonlocal stopping, w
        request = control.poll()
        w = w if request.w is None else request.w
        stopping = stopping or request.stop
        return stopping

    def checkpoint() -> dict[str, Any]:
        seconds = time.perf_counter() - began
        return snapshot(recipe, step=step, seconds=seconds, precision=precision)

    def metrics() -> Metrics:
        seconds = time.perf_counter() - began
        line = _metrics(
            recipe, sums, scores, step, w_used, seconds, time.perf_counter() - last_report
        )
        if max_seconds is None or line.time_left_s is None:
            return line
        return replace(line, time_left_s=max(min(line.time_left_s, max_seconds - seconds), 0.0))

    def is_over() -> bool:
        late = max_seconds is not None and time.perf_counter() - began >= max_seconds
        return late or step >= recipe.n_steps

    def goes_on() -> bool:
        """Tell whether there is another step, and at which w: what one process says, all do."""
        nonlocal stopping, w
        ends = is_over() or should_stop()
        w, ended, asked = ranks.agreed(w, ends, stopping)
        stopping = stopping or bool(asked)
        return not ended

    def should_abandon() -> bool:
        return last_step_s > SLOW_STEP_S and should_stop()

    yield Report(checkpoint=checkpoint())
    checkpoint_due.done(time.perf_counter())

    def check(figures: Tensor) -> None:
        if is_slow:
            raise_if_not_finite([figures.tolist()], step)

    def take(batch: Batch, w: float) -> tuple[Tensor, PosePrediction]:
        return whole_step(recipe, network, batch, w, precision, check=check)

    steps = RecordedSteps(recipe, take)
    last_step_s, w_used = math.inf, w
    rehearsed_chunk: int | None = None
    # Steps of a GPU are short; hooks between its layers, and reading losses, would hold it up.
    is_slow = recipe.device.type != "cuda"
    # Several processes finish a step together, or wait for each other for ever.
    can_abandon = is_slow and ranks.size == 1
    with abandoning(recipe.network, should_abandon) if can_abandon else nullcontext():
        while goes_on():
            step_began = time.perf_counter()
            w_used = w
            before = remember(recipe) if can_abandon and last_step_s > SLOW_STEP_S else None

            # One step; smaller when memory runs out, abandoned when a slow one is to stop.
            batch: Batch | None = None
            taken: tuple[Tensor, PosePrediction] | None = None
            while True:
                try:
                    if ranks.size > 1 and rehearsed_chunk != recipe.chunk_size:
                        batch = batch_that_fits(recipe, network, step, w_used, precision)
                        rehearsed_chunk = recipe.chunk_size
                    batch = recipe.batch(step) if batch is None else batch
                    taken = steps.step(batch, w_used)
                except Abandoned:
                    break
                except (RuntimeError, MemoryError) as error:
                    # What ran out in one process only, all must hear of: see ``batch_that_fits``.
                    if not is_out_of_memory(error) or rehearsed_chunk is not None:
                        raise
                    note = halve(recipe, making_the_batch=batch is None and ranks.size == 1)
                else:
                    break
                release_memory(recipe.device)
                yield Report(note=note)
            if batch is None or taken is None:
                if before is not None:
                    go_back(recipe, before)
                break
            if recipe.scheduler is not None:
                recipe.scheduler.step()
            recipe.after_step(step)
            step += 1
            sums.add(batch, *taken, n_images=ranks.size * len(batch))
            last_step_s = time.perf_counter() - step_began

            # What there is to tell, when it is time.
            shown = None
            if held_out is not None:
                with suppress(Abandoned):
                    started = time.perf_counter()
                    if test_due():
                        scores = evaluate(recipe, held_out, cadence.n_test, should_stop) or scores
                        test_due.done(started)
                    if report_due() and preview_due() and not is_over() and not should_stop():
                        started = time.perf_counter()
                        shown = preview(recipe, held_out, step, cadence.n_preview)
                        preview_due.done(started)
            if report_due() and not is_over():  # the last step is told of after the final test
                told = metrics()
                yield Report(metrics=told, preview=shown)
                sums, last_report = _StepSums(step), time.perf_counter()
                report_due.done(last_report)
            if checkpoint_due() and _is_finite(recipe):
                yield Report(checkpoint=checkpoint())
                checkpoint_due.done(time.perf_counter())

    recipe.optimizer.zero_grad(set_to_none=True)
    if sums.figures:
        sums.means()
    if not _is_finite(recipe):
        raise TrainingFailure(not_finite("network's weights", math.nan, step))
    yield Report(checkpoint=checkpoint())
    if stopping:
        if sums.figures:
            yield Report(metrics=metrics())
        yield Report(outcome="stopped")
        return
    if held_out is not None:
        scores = evaluate(recipe, held_out, cadence.n_final_test, should_stop) or scores
        shown = preview(recipe, held_out, step, cadence.n_preview)
        yield Report(preview=shown)
    if sums.figures:
        told = metrics()
    if told is not None:
        yield Report(
            metrics=replace(
                told, seconds=time.perf_counter() - began, time_left_s=0.0, **_tested(scores)
            )
        )
    yield Report(outcome="finished")


def _metrics(
    recipe: Recipe,
    sums: _StepSums,
    scores: Scores | None,
    step: int,
    w: float,
    seconds: float,
    elapsed_s: float,
) -> Metrics:
    """Losses as means over the steps since the last report; train RMSE of the last batch."""
    assert sums.batch is not None
    assert sums.prediction is not None
    trained = ScoreSums(recipe)
    trained.add(sums.prediction, sums.batch)
    last_batch = trained.scores()
    loss, qd, reprojection = sums.means()
    steps_a_second = len(sums.figures) / max(elapsed_s, 1e-9)
    return Metrics(
        step=step,
        seconds=seconds,
        w=w,
        loss=loss,
        qd=qd,
        reprojection=reprojection,
        learning_rate=float(recipe.optimizer.param_groups[0]["lr"]),
        images_per_second=sums.n_images / max(elapsed_s, 1e-9),
        time_left_s=(recipe.n_steps - step) / steps_a_second,
        train_rmse=last_batch.rmse,
        train_relative_rmse=last_batch.relative_rmse,
        **_tested(scores),
    )


def _tested(scores: Scores | None) -> dict[str, Any]:
    """Return the test figures as fields of ``Metrics``."""
    if scores is None:
        return {}
    return {
        "test_rmse": scores.rmse,
        "test_relative_rmse": scores.relative_rmse,
        "angular_error_deg": scores.angular_error_deg,
        "shift_error_angstrom": scores.shift_error_angstrom,
        "n_test": scores.n_images,
    }


def _is_finite(recipe: Recipe) -> bool:
    with suppress(RuntimeError):
        return all(bool(p.isfinite().all()) for p in recipe.network.parameters())
    return False
