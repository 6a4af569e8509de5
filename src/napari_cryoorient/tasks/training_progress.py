"""How far a training run is, and how that is told to whoever watches."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cryoorient.reporting import Reporter
from napari_cryoorient.training.report import Metrics

_TITLES = {"training": "Training (steps)", "predicting": "Predicting"}


@dataclass(frozen=True)
class RunProgress:
    """How far a run is: ``phase`` is "training" (in steps) or "predicting" (in particles)."""

    phase: str
    done: int
    total: int
    time_left_s: float | None
    metrics: Metrics | None = None


class ProgressReporter:
    """Tells a reporter of a run's progress, one part of the work after another.

    ``budget_s`` is the time given to training, where it is not a number of steps.
    """

    def __init__(self, reporter: Reporter, budget_s: float | None = None) -> None:
        self._reporter = reporter
        self._budget_s = budget_s
        self._phase: str | None = None

    def __call__(self, now: RunProgress) -> None:
        """Move on."""
        if now.phase != self._phase:
            self._phase = now.phase
            title = _TITLES.get(now.phase, now.phase)
            if self._budget_s is not None:
                title = title.replace("(steps)", "(s)")
            self._reporter.step(title)
        show = self._reporter.progress
        if now.metrics is None:
            show(now.done, now.total, time_left_s=now.time_left_s)
            return
        note = note_of(now.metrics)
        if self._budget_s is None:
            show(now.done, now.total, time_left_s=now.time_left_s, note=note)
            return
        spent_s = min(now.metrics.seconds, self._budget_s)
        left_s = self._budget_s - spent_s
        show(round(spent_s), round(self._budget_s), time_left_s=left_s, note=note)


def note_of(metrics: Metrics) -> str:
    """Say in a few words how the training stands."""
    figures = []
    if metrics.angular_error_deg is not None:
        figures.append(f"error {metrics.angular_error_deg:.1f}\N{DEGREE SIGN}")
    if metrics.test_relative_rmse is not None:
        figures.append(f"RMSE {metrics.test_relative_rmse:.2f}")
    figures += [f"w {metrics.w:.2f}", f"step {metrics.step}"]
    figures.append(f"{metrics.images_per_second:.0f} images/s")
    return ", ".join(figures)
