"""How training stands, in the few words and numbers the panel has room for."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cryoorient.runs.record import MemoryRecord
from napari_cryoorient.session.countdown import Countdown
from napari_cryoorient.session.follow import RunView, last_of

BUSY = {
    "preparing": "Preparing…",
    "training": "Training",
    "predicting": "Predicting the stack…",
    "over": "Finishing…",  # its process has not ended yet
}


@dataclass(frozen=True)
class ProgressSummary:
    """A headline, how far it is (None: not known, 0 to 1), and lines of detail."""

    headline: str
    fraction: float | None
    details: tuple[str, ...]


def standing(run: RunView | None, *, is_stopping: bool = False) -> ProgressSummary:
    """Say how a run stands."""
    if run is None:
        return ProgressSummary("No run yet", 0.0, ())
    figures = _figures(run)
    device = run.record.device
    if device.name:
        figures.append(" · ".join(part for part in (device.name, device.precision) if part))
    memory = "" if run.is_over else memory_words(run.record.memory)
    if memory:
        figures.append(memory)
    if run.is_over:
        word = {"finished": "Finished", "stopped": "Stopped"}.get(run.state, "Failed")
        tail = f": {run.reason}" if run.reason else ""
        fraction = 1.0 if run.state == "finished" else _fraction(run)
        return ProgressSummary(f"{word}{tail}", fraction, tuple(figures))
    headline = "Stopping…" if is_stopping else BUSY.get(run.phase, run.phase)
    fraction = _fraction(run) if run.phase == "training" else None
    return ProgressSummary(headline, fraction, tuple(figures))


def _fraction(run: RunView) -> float | None:
    """Return the part of the time spent, which both steps and minutes come down to."""
    seconds, left = last_of(run, "seconds"), last_of(run, "time_left_s")
    if seconds is None or left is None:
        return 0.0 if run.is_over else None
    left = _within_budget(run, seconds, left)
    return seconds / max(seconds + left, 1e-9)


def _figures(run: RunView) -> list[str]:
    step, speed = last_of(run, "step"), last_of(run, "images_per_second")
    if step is None:
        return []
    words = [f"step {step:.0f}"]
    if speed is not None:
        words.append(f"{speed:.0f} images/s")
    if not run.is_over and run.phase == "training":
        words += _left(run)
    lines = [" · ".join(words)]
    scores = []
    error = last_of(run, "angular_error_deg")
    if error is not None:
        scores.append(f"median error {error:.1f}\N{DEGREE SIGN}")
    rmse = last_of(run, "test_relative_rmse")
    if rmse is not None:
        scores.append(f"RMSE {rmse:.2f}")
    w = last_of(run, "w")
    if w is not None:
        scores.append(f"w {w:.2f}")
    return [*lines, " · ".join(scores)] if scores else lines


def _within_budget(run: RunView, seconds: float, left: float) -> float:
    """Bound an estimate by the time the run was given; the first ones know little of the end."""
    minutes = run.record.config.get("minutes")
    return left if minutes is None else min(left, max(60.0 * float(minutes) - seconds, 0.0))


def _left(run: RunView) -> list[str]:
    countdown, shown = Countdown(), None
    for line in run.metrics:
        seconds, left = line.get("seconds"), line.get("time_left_s")
        if isinstance(seconds, int | float) and isinstance(left, int | float):
            left = _within_budget(run, float(seconds), float(left))
            shown = countdown.update(float(seconds), left)
    return [] if shown is None else [left_words(shown, is_slower=countdown.is_slower)]


def left_words(seconds: float, *, is_slower: bool) -> str:
    """Say how long it will take, and why that is longer than was said before."""
    return f"{duration(seconds)} left" + (" (slower than before)" if is_slower else "")


def memory_words(memory: MemoryRecord) -> str:
    """Say how much memory the process holds, and how much of it on the GPU."""
    parts = []
    if memory.resident_bytes:
        parts.append(f"memory {memory.resident_bytes / 2**30:.2f} GiB")
    if memory.gpu_bytes is not None:
        parts.append(f"GPU {memory.gpu_bytes / 2**30:.2f} GiB")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """Say a time in the unit that fits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
