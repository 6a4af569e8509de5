"""What the runs of a study came to: one row a run, read from the run folders."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.particles import Floats
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.studies.job import Job

Row = dict[str, Any]
FIGURES = (
    "test_rmse",
    "test_relative_rmse",
    "angular_error_deg",
    "shift_error_angstrom",
    "n_test",
    "train_relative_rmse",
    "qd",
    "reprojection",
    "step",
    "seconds",
)


def row_of(job: Job) -> Row:
    """Return what sets a run apart, its state, and the figures of its last test.

    RMSE (equation 16) and the medians are over the held-out particles.  Figures are None before
    the run has finished, when they are of fewer particles and an earlier step.
    """
    reader = RunReader(job.folder)
    status = reader.status()
    state = "waiting" if status.state == "absent" else status.state
    row: Row = {"name": job.name, **job.facts, "state": state}
    last = (metrics_of(job) or [{}])[-1] if state == "finished" else {}
    return row | {name: last.get(name) for name in FIGURES}


def metrics_of(job: Job) -> list[dict[str, Any]]:
    """Return the lines of a run's ``metrics.jsonl``."""
    return RunReader(job.folder).new_metrics()[0]


def preview_of(job: Job) -> dict[str, NDArray[Any]] | None:
    """Return a run's fixed test particles: ``input``, ``true_projection`` and so on, or None."""
    return RunReader(job.folder).new_preview()


def working_pixel_size_angstrom(job: Job) -> float:
    """Return the pixel size at the box a run worked at; NaN where the run does not say."""
    record = RunReader(job.folder).run()
    known = None if record is None else record.inputs.working_pixel_size_angstrom
    return math.nan if known is None else known


def finished(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of runs that finished with a figure to compare."""
    return [r for r in rows if r["state"] == "finished" and r["test_relative_rmse"] is not None]


def best_of(rows: Sequence[Row]) -> Row | None:
    """Return the finished run of the least relative RMSE, the paper's measure, or None."""
    done = finished(rows)
    return min(done, key=lambda row: float(row["test_relative_rmse"])) if done else None


@dataclass(frozen=True)
class Spread:
    """Mean over runs and its sample standard deviation (NaN for a single run)."""

    n: int
    mean: float
    deviation: float


def spread_of(values: Sequence[float | None]) -> Spread:
    """Return mean and spread of the values that are there."""
    known = np.array([v for v in values if v is not None], dtype=np.float64)
    if not len(known):
        return Spread(0, math.nan, math.nan)
    deviation = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    return Spread(len(known), float(known.mean()), deviation)


def grouped(rows: Sequence[Row], key: Callable[[Row], Hashable]) -> dict[Hashable, list[Row]]:
    """Group rows, in order of first appearance."""
    groups: dict[Hashable, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def curve_on(
    steps: Floats, metrics: Sequence[dict[str, Any]], name: str, *, tested: bool = False
) -> Floats:
    """Interpolate a column of ``metrics.jsonl`` at ``steps``; NaN outside of what is known.

    A ``tested`` figure is repeated in every line until the next test: only its first line counts.
    """
    known_steps, values = [], []
    before: float | None = None
    for line in metrics:
        value = line.get(name)
        if value is None or (tested and value == before):
            continue
        known_steps.append(float(line["step"]))
        values.append(float(value))
        before = value
    if not values:
        return np.full(len(steps), np.nan)
    result = np.interp(steps, known_steps, values, left=np.nan, right=np.nan)
    return np.asarray(result, dtype=np.float64)
