"""The training loop: one generator for every preset, read from top to bottom in the order of time.

A slow step is abandoned, not finished, when a stop is asked for: the checkpoint then stands before
the step, and resuming repeats it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from napari_cryoorient.batches import Batch
from napari_cryoorient.device import is_out_of_memory, release_memory
from napari_cryoorient.errors import TrainingFailure
from napari_cryoorient.network.output import PosePrediction, concatenate_predictions
from napari_cryoorient.training.checkpoint import (
    random_states,
    set_random_states,
    snapshot,
)
from napari_cryoorient.training.held_out import HeldOut, Scores, ScoreSums, evaluate, preview
from napari_cryoorient.training.interrupt import Abandoned, abandoning
from napari_cryoorient.training.precision import arranged, autocast
from napari_cryoorient.training.recipe import Recipe
from napari_cryoorient.training.report import Control, Metrics, NoControl, Report

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
    """Losses since the last report, and the last step's predictions."""

    n_steps: int = 0
    n_images: int = 0
    loss: float = 0.0
    qd: float = 0.0
    reprojection: float = 0.0
    batch: Batch | None = None
    predictions: list[PosePrediction] = field(default_factory=list)

    def add(self, step: _StepSums) -> None:
        """Take one more step in."""
        self.n_steps += step.n_steps
        self.n_images += step.n_images
        self.loss += step.loss
        self.qd += step.qd
        self.reprojection += step.reprojection
        self.batch, self.predictions = step.batch, step.predictions


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

    ``w`` holds until ``control`` wishes for another.  ``seconds_before`` is time spent before a
    resumed run, and counts towards ``max_seconds``.  The last report carries the outcome.

    Raises TrainingFailure when the loss is no longer finite or one image no longer fits in memory;
    checkpoints reported before are good.
    """
    control, cadence = control or NoControl(), cadence or Cadence()
    began = time.perf_counter() - seconds_before
    test_due = _Due(cadence.test_s, cadence.spare_part)
    preview_due = _Due(cadence.preview_s, cadence.spare_part)
    report_due, checkpoint_due = _Due(cadence.report_s), _Due(cadence.checkpoint_s)
    arranged(recipe.network, precision, recipe.device)
    scores: Scores | None = None
    told: Metrics | None = None
    sums, last_report = _StepSums(), time.perf_counter()
    step = first_step
    stopping = False

    def should_stop() -> bool:
        nonlocal stopping, w
        wish = control.poll()
        w = w if wish.w is None else wish.w
        stopping = stopping or wish.stop
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

    def should_abandon() -> bool:
        return last_step_s > SLOW_STEP_S and should_stop()

    yield Report(checkpoint=checkpoint())
    checkpoint_due.done(time.perf_counter())
    last_step_s, w_used = math.inf, w
    with abandoning(recipe.network, should_abandon):
        while not is_over() and not should_stop():
            step_began = time.perf_counter()
            w_used = w
            before = _remember(recipe) if last_step_s > SLOW_STEP_S else None

            # One step; smaller when memory runs out, abandoned when a slow one is to stop.
            batch: Batch | None = None
            taken: _StepSums | None = None
            while True:
                try:
                    batch = recipe.batch(step) if batch is None else batch
                    taken = _add_gradients(recipe, batch, w_used, precision, step)
                except Abandoned:
                    break
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    note = _halve(recipe, making_the_batch=batch is None)
                else:
                    break
                release_memory(recipe.device)
                yield Report(note=note)
            if taken is None:
                if before is not None:
                    _go_back(recipe, before)
                break
            if recipe.max_gradient_norm is not None:
                parameters = [p for group in recipe.optimizer.param_groups for p in group["params"]]
                norm = float(torch.nn.utils.clip_grad_norm_(parameters, recipe.max_gradient_norm))
                if not math.isfinite(norm):
                    raise TrainingFailure(_not_finite("gradient", norm, step))
            recipe.optimizer.step()
            if recipe.scheduler is not None:
                recipe.scheduler.step()
            recipe.after_step(step)
            step += 1
            sums.add(taken)
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
                sums, last_report = _StepSums(), time.perf_counter()
                report_due.done(last_report)
            if checkpoint_due() and _is_finite(recipe):
                yield Report(checkpoint=checkpoint())
                checkpoint_due.done(time.perf_counter())

    recipe.optimizer.zero_grad(set_to_none=True)
    if not _is_finite(recipe):
        raise TrainingFailure(_not_finite("network's weights", math.nan, step))
    yield Report(checkpoint=checkpoint())
    if stopping:
        if sums.n_steps:
            yield Report(metrics=metrics())
        yield Report(outcome="stopped")
        return
    if held_out is not None:
        scores = evaluate(recipe, held_out, cadence.n_final_test, should_stop) or scores
        shown = preview(recipe, held_out, step, cadence.n_preview)
        yield Report(preview=shown)
    if sums.n_steps:
        told = metrics()
    if told is not None:
        yield Report(
            metrics=replace(
                told, seconds=time.perf_counter() - began, time_left_s=0.0, **_tested(scores)
            )
        )
    yield Report(outcome="finished")


def _add_gradients(recipe: Recipe, batch: Batch, w: float, precision: str, step: int) -> _StepSums:
    """Run a batch forward and backward, in chunks whose gradients add up to the batch's."""
    recipe.network.train()
    recipe.optimizer.zero_grad(set_to_none=True)
    taken = _StepSums(n_steps=1, n_images=len(batch), batch=batch)
    for start in range(0, len(batch), recipe.chunk_size):
        chunk = batch[start : start + recipe.chunk_size]
        part = len(chunk) / len(batch)
        with autocast(recipe.device, precision):
            prediction = recipe.network(chunk.images, chunk.ctf)
        terms = recipe.losses(prediction, chunk, w)
        values = torch.stack([terms.total, terms.qd, terms.reprojection]).detach()
        loss, qd, reprojection = values.float().cpu().tolist()
        if not math.isfinite(loss):
            raise TrainingFailure(_not_finite("loss", loss, step))
        (terms.total * part).backward()  # type: ignore[no-untyped-call]
        taken.loss += loss * part
        taken.qd += qd * part
        taken.reprojection += reprojection * part
        taken.predictions.append(prediction.detach())
    return taken


def _remember(recipe: Recipe) -> tuple[dict[str, Any], dict[str, Tensor], list[Tensor]]:
    """Return what making a batch and a forward pass change."""
    buffers = [buffer.clone() for buffer in recipe.network.buffers()]
    return recipe.state_dict(), random_states(recipe.device), buffers


def _go_back(
    recipe: Recipe, before: tuple[dict[str, Any], dict[str, Tensor], list[Tensor]]
) -> None:
    recipe.load_state_dict(before[0])
    set_random_states(before[1], recipe.device)
    for buffer, value in zip(recipe.network.buffers(), before[2], strict=True):
        buffer.copy_(value)


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
    trained = ScoreSums(recipe)
    trained.add(concatenate_predictions(sums.predictions), sums.batch)
    last_batch = trained.scores()
    steps_a_second = sums.n_steps / max(elapsed_s, 1e-9)
    return Metrics(
        step=step,
        seconds=seconds,
        w=w,
        loss=sums.loss / sums.n_steps,
        qd=sums.qd / sums.n_steps,
        reprojection=sums.reprojection / sums.n_steps,
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


def _halve(recipe: Recipe, *, making_the_batch: bool) -> str:
    """Make the next try smaller and return what to tell.

    Raises TrainingFailure when one image at a time is already too much.
    """
    if making_the_batch and recipe.batch_size > 1:
        recipe.batch_size //= 2
        recipe.chunk_size = min(recipe.chunk_size, recipe.batch_size)
        return f"Memory ran out on {recipe.device}: the batch is halved to {recipe.batch_size}."
    recipe.chunk_size = min(recipe.chunk_size, recipe.batch_size)
    if recipe.chunk_size > 1:
        recipe.chunk_size //= 2
        return (
            f"Memory ran out on {recipe.device}: the batch of {recipe.batch_size} goes through the "
            f"network {recipe.chunk_size} images at a time, its gradients summed."
        )
    raise TrainingFailure(
        f"Memory ran out on {recipe.device} with a single image: choose a smaller --box, "
        "free the device, or use --device cpu."
    )


def _is_finite(recipe: Recipe) -> bool:
    with suppress(RuntimeError):
        return all(bool(p.isfinite().all()) for p in recipe.network.parameters())
    return False


def _not_finite(what: str, value: float, step: int) -> str:
    return (
        f"The {what} became {value} at step {step + 1}: lower --learning-rate, or look for images "
        "or CTF values that are not numbers; the checkpoint from before is kept."
    )
