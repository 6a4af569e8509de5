"""Which w suits this map: runs over a range of w, started as a study or found in folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_cryoorient.config.base import source_arguments
from napari_cryoorient.errors import InputError
from napari_cryoorient.session.background import Notify
from napari_cryoorient.session.comparison import Comparison, runs_in
from napari_cryoorient.session.follow import RunView, last_of
from napari_cryoorient.session.launch import next_run_dir
from napari_cryoorient.session.pose_jobs import PoseJobs
from napari_cryoorient.session.process_job import JobView
from napari_cryoorient.session.session import Session
from napari_cryoorient.settings import W_VALUES

# What runs are compared by: a field of the metrics, in words with its unit.
MEASURES = {
    "test_relative_rmse": "relative RMSE",
    "angular_error_deg": "median error (\N{DEGREE SIGN})",
}


@dataclass(frozen=True)
class SweepPoint:
    """What the last test of one run came to at its w; ``is_over`` tells whether more may come."""

    path: Path
    w: float
    value: float
    is_over: bool


def points_of(runs: Sequence[RunView], measure: str) -> list[SweepPoint]:
    """Return the runs that have been tested, by their w."""
    points = []
    for run in runs:
        w, value = last_of(run, "w"), last_of(run, measure)
        if w is not None and value is not None:
            points.append(SweepPoint(run.path, w, value, run.is_over))
    return sorted(points, key=lambda point: point.w)


def means_of(points: Sequence[SweepPoint]) -> list[tuple[float, float]]:
    """Return (w, mean value) for each w, in order: runs of one w, as folds are, count together."""
    by_w: dict[float, list[float]] = {}
    for point in points:
        by_w.setdefault(round(point.w, 6), []).append(point.value)
    return [(w, sum(values) / len(values)) for w, values in sorted(by_w.items())]


def best_w(points: Sequence[SweepPoint]) -> float | None:
    """Return the w of the least mean value; None where there are not two to compare."""
    means = means_of(points)
    return min(means, key=lambda pair: pair[1])[0] if len(means) > 1 else None


class Sweeps:
    """Starts a sweep over w in a process of its own, and shows its runs as they come."""

    def __init__(
        self, session: Session, commands: PoseJobs, comparison: Comparison, notify: Notify
    ) -> None:
        self._session = session
        self._commands = commands
        self._comparison = comparison
        self._notify = notify
        self._n_shown = 0

    def start(self, values: str = W_VALUES) -> None:
        """Train one run for each w, with the settings of the Train section."""
        data = self._session.data
        if data.star_path is None or data.map_path is None or not data.is_trainable:
            self._notify.warning("A sweep needs a stack and a map that fit: see 1 Data.")
            return
        folder = next_run_dir(data.star_path.parent / "cryoorient", "sweep")
        arguments = ["sweep", str(data.star_path), "--map", str(data.map_path), "-o", str(folder)]
        arguments += ["--w-values", values.strip() or W_VALUES]
        arguments += self._session.settings.arguments(leave_out={"w", "n_folds", "fold"})
        arguments += source_arguments(data.map_pixel_size_angstrom, self._session.project_dir)
        self._n_shown = 0
        self._commands.start_command(
            "Sweep over w", arguments, folder, lambda view: self._on_look(view)
        )

    def _on_look(self, view: JobView) -> None:
        """Show the runs there are by now."""
        try:
            n = len(runs_in(view.folder))
        except InputError:
            return  # none yet
        if n != self._n_shown:
            self._n_shown = n
            self._comparison.add(view.folder)
