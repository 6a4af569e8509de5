"""The training loop: one generator for every preset, read from top to bottom in the order of time.

A slow step is abandoned, not finished, when a stop is asked for: the checkpoint then stands before
the step, and resuming repeats it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from napari_cryoorient.device import is_out_of_memory, release_memory
from napari_cryoorient.errors import TrainingFailure
from napari_cryoorient.networks.output import PosePrediction, concatenate_predictions
from napari_cryoorient.stack.batches import Batch
from napari_cryoorient.training.checkpoint import (
    random_states,
    set_random_states,
    snapshot,
)
from napari_cryoorient.training.held_out import HeldOut, Scores, ScoreSums, evaluate, preview
from napari_cryoorient.training.interrupt import Abandoned, abandoning
from napari_cryoorient.training.precision import autocast, lay_out_weights
from napari_cryoorient.training.recipe import Recipe
from napari_cryoorient.training.recorded import RecordedSteps
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
    """Steps since the last report: their figures, still on the device, and the last's predictions.

    ``figures`` are ``(4,)`` a step: loss, QD, reprojection and the norm of the gradient.  They are
    read when there is something to tell: reading makes a GPU wait.
    """

    first_step: int = 0
    n_images: int = 0
    figures: list[Tensor] = field(default_factory=list)
    batch: Batch | None = None
    prediction: PosePrediction | None = None

    def add(self, batch: Batch, figures: Tensor, prediction: PosePrediction) -> None:
        """Take one more step in."""
        self.n_images += len(batch)
        self.figures.append(figures)
        self.batch, self.prediction = batch, prediction

    def means(self) -> tuple[float, float, float]:
        """Return mean loss, QD and reprojection.

        Raises TrainingFailure, naming the first step at which a figure is not finite.
        """
        by_step = torch.stack(self.figures).cpu().double()
        _raise_if_not_finite(by_step.tolist(), self.first_step)
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

    def should_abandon() -> bool:
        return last_step_s > SLOW_STEP_S and should_stop()

    yield Report(checkpoint=checkpoint())
    checkpoint_due.done(time.perf_counter())

    def check(figures: Tensor) -> None:
        if is_slow:
            _raise_if_not_finite([figures.tolist()], step)

    def whole_step(batch: Batch, w: float) -> tuple[Tensor, PosePrediction]:
        return _whole_step(recipe, batch, w, precision, check=check)

    steps = RecordedSteps(recipe, whole_step)
    last_step_s, w_used = math.inf, w
    # Steps of a GPU are short; hooks between its layers, and reading losses, would hold it up.
    is_slow = recipe.device.type != "cuda"
    with abandoning(recipe.network, should_abandon) if is_slow else nullcontext():
        while not is_over() and not should_stop():
            step_began = time.perf_counter()
            w_used = w
            before = _remember(recipe) if last_step_s > SLOW_STEP_S else None

            # One step; smaller when memory runs out, abandoned when a slow one is to stop.
            batch: Batch | None = None
            taken: tuple[Tensor, PosePrediction] | None = None
            while True:
                try:
                    batch = recipe.batch(step) if batch is None else batch
                    taken = steps.step(batch, w_used)
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
            if batch is None or taken is None:
                if before is not None:
                    _go_back(recipe, before)
                break
            if recipe.scheduler is not None:
                recipe.scheduler.step()
            recipe.after_step(step)
            step += 1
            sums.add(batch, *taken)
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
        raise TrainingFailure(_not_finite("network's weights", math.nan, step))
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


def _add_gradients(
    recipe: Recipe, batch: Batch, w: float, precision: str
) -> tuple[Tensor, list[PosePrediction]]:
    """Run a batch forward and backward, in chunks whose gradients add up to the batch's.

    Returns loss, QD, reprojection and a place for the gradient's norm ``(4,)``, and predictions.
    """
    recipe.network.train()
    recipe.optimizer.zero_grad(set_to_none=True)
    figures, predictions = torch.zeros(4, device=recipe.device), []
    for start in range(0, len(batch), recipe.chunk_size):
        chunk = batch[start : start + recipe.chunk_size]
        part = len(chunk) / len(batch)
        with autocast(recipe.device, precision):
            prediction = recipe.network(chunk.images, chunk.ctf)
        terms = recipe.losses(prediction, chunk, w)
        values = torch.stack([terms.total, terms.qd, terms.reprojection]).detach().float()
        (terms.total * part).backward()  # type: ignore[no-untyped-call]
        figures[:3] += values * part
        predictions.append(prediction.detach())
    return figures, predictions


def _whole_step(
    recipe: Recipe, batch: Batch, w: float, precision: str, *, check: Callable[[Tensor], None]
) -> tuple[Tensor, PosePrediction]:
    """Make a step; ``check`` is told its figures before the weights change."""
    figures, predictions = _add_gradients(recipe, batch, w, precision)
    if recipe.max_gradient_norm is not None:
        parameters = [p for group in recipe.optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.max_gradient_norm)
        figures[3] = norm.detach()
    check(figures)
    recipe.optimizer.step()
    if len(predictions) == 1:
        return figures, predictions[0]
    return figures, concatenate_predictions(predictions)


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


def _raise_if_not_finite(figures_by_step: list[list[float]], first_step: int) -> None:
    for step, figures in enumerate(figures_by_step, first_step):
        for name, value in (("loss", figures[0]), ("gradient", figures[3])):
            if not math.isfinite(value):
                raise TrainingFailure(_not_finite(name, value, step))


def _not_finite(what: str, value: float, step: int) -> str:
    return (
        f"The {what} became {value} at step {step + 1}: lower --learning-rate, or look for images "
        "or CTF values that are not numbers; the checkpoint from before is kept."
    )
