"""How far a study is and how long it will take, from what its runs write while they go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_cryoorient.reporting import format_duration
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.runs.record import RunRecord
from napari_cryoorient.studies.job import Job

# A run's own forecast counts once it has trained for so long, or so large a part.
PROBE_S, PROBE_PART = 6.0, 0.25
# Prediction wants a forward pass where training also goes backward, about three times the work.
FORWARD_PART = 1 / 3
TRAINING_PART = 0.95  # of a run on the bar; the rest is the prediction of the stack
Clock = Callable[[], float]
_MOST_NAMED = 8  # workers of an estimate


@dataclass(frozen=True)
class StudyProgress:
    """``done`` of ``total`` runs, as fractions too; time left once a run has shown its pace."""

    done: float
    total: int
    time_left_s: float | None
    note: str


@dataclass(frozen=True)
class Estimate:
    """What a study will cost: ``n_runs`` still to train, of ``run_s`` each, ``left_s`` in all."""

    n_runs: int
    run_s: float
    left_s: float
    workers: tuple[str, ...]

    def sentence(self) -> str:
        """Return it in words, such as "11 runs of about 4 min 05 s: 45 min on this CPU"."""
        runs = "1 run" if self.n_runs == 1 else f"{self.n_runs} runs"
        where = f"this {self.workers[0]}" if self.workers == ("CPU",) else ", ".join(self.workers)
        if len(self.workers) > _MOST_NAMED:
            where = f"{len(self.workers)} workers"
        return (
            f"{runs} of about {format_duration(self.run_s)}: "
            f"{format_duration(self.left_s)} on {where}"
        )


class RunForecast:
    """Follows one run: part done, and how long all of it takes."""

    def __init__(self, job: Job, clock: Clock = time.monotonic) -> None:
        self.job = job
        self._reader = RunReader(job.folder)
        self._clock = clock
        self._began = clock()
        self._seconds_before = float(_last(self._reader).get("seconds", 0.0))
        self._startup_s: float | None = None
        self._line: dict[str, Any] = {}
        self._heard = self._began

    def look(self) -> None:
        """Read what is new."""
        lines, _ = self._reader.new_metrics()
        if not lines:
            return
        self._line, self._heard = lines[-1], self._clock()
        if self._startup_s is None:
            trained = float(lines[0]["seconds"]) - self._seconds_before
            self._startup_s = max(self._heard - self._began - max(trained, 0.0), 0.0)

    @property
    def is_probed(self) -> bool:
        """Whether the run has gone on for long enough to tell its pace."""
        training = self._training_s()
        if training is None:
            return False
        seconds = float(self._line["seconds"])
        return seconds >= PROBE_S or seconds >= PROBE_PART * training

    @property
    def part_done(self) -> float:
        """Between 0 and 1."""
        training = self._training_s()
        if not training:
            return 0.0
        return TRAINING_PART * min(float(self._line["seconds"]) / training, 1.0)

    def whole_s(self) -> float | None:
        """Return how long a run from start to end takes, or None before it is known."""
        training = self._training_s()
        if training is None or not self.is_probed:
            return None
        return (self._startup_s or 0.0) + training + self._afterwards_s()

    def left_s(self) -> float | None:
        """Return the time this run still takes."""
        training = self._training_s()
        if training is None or not self.is_probed:
            return None
        since = self._clock() - self._heard
        left = training - float(self._line["seconds"]) - since
        return max(left, 0.0) + self._afterwards_s()

    def note(self) -> str:
        """Say in a few words how the run stands."""
        parts = [self.job.name]
        if (rmse := self._line.get("test_relative_rmse")) is not None:
            parts.append(f"RMSE {rmse:.2f}")
        if (step := self._line.get("step")) is not None:
            parts.append(f"step {step}")
        return " ".join(parts)

    def _training_s(self) -> float | None:
        """Return how long all the training takes; None before a first report.

        By the mean pace so far where the number of steps is known, as the pace of the moment, which
        the run's own forecast goes by, is a poor guide on a machine that does other work.
        """
        seconds, left = self._line.get("seconds"), self._line.get("time_left_s")
        if seconds is None or left is None:
            return None
        config = self._config()
        if config.get("minutes"):
            return max(60.0 * float(config["minutes"]), float(seconds))
        if config.get("steps") and self._line.get("step"):
            return float(seconds) * float(config["steps"]) / float(self._line["step"])
        return float(seconds) + float(left)

    def _config(self) -> dict[str, Any]:
        return (self._reader.run() or RunRecord()).config

    def _afterwards_s(self) -> float:
        """Return how long the last test and the prediction of the stack take."""
        pace = float(self._line.get("images_per_second") or 0.0)
        inputs = (self._reader.run() or RunRecord()).inputs
        n = (inputs.n_particles or 0) + (inputs.n_test or 0)
        return FORWARD_PART * n / pace if pace > 0.0 else 0.0


class StudyForecast:
    """Puts the forecasts of runs together; ``n_workers`` runs go on side by side."""

    def __init__(self, n_jobs: int, n_finished: int, n_workers: int) -> None:
        self._total, self._over = n_jobs, n_finished
        self._waiting = n_jobs - n_finished
        self._n_workers = n_workers
        self._running: dict[str, RunForecast] = {}
        self._whole_s: list[float] = []

    def begin(self, job: Job) -> None:
        """Note that a run begins."""
        self._running[job.name] = RunForecast(job)
        self._waiting -= 1

    def end(self, job: Job, seconds: float | None) -> None:
        """Note that a run is over; ``seconds`` where it went from start to end."""
        self._running.pop(job.name, None)
        self._over += 1
        if seconds is not None:
            self._whole_s.append(seconds)

    def look(self) -> None:
        """Read what the running ones have written."""
        for run in self._running.values():
            run.look()

    @property
    def run_s(self) -> float | None:
        """How long one run takes, or None before the first has shown its pace."""
        if self._whole_s:
            return sum(self._whole_s) / len(self._whole_s)
        known = [s for run in self._running.values() if (s := run.whole_s()) is not None]
        return sum(known) / len(known) if known else None

    def left_s(self) -> float | None:
        """Return how long the study still takes."""
        whole = self.run_s
        if whole is None:
            return None
        lefts = [
            whole if (left := run.left_s()) is None else left for run in self._running.values()
        ]
        return max((sum(lefts) + self._waiting * whole) / self._n_workers, max(lefts, default=0.0))

    def now(self) -> StudyProgress:
        """Return how far the study is."""
        done = self._over + sum(run.part_done for run in self._running.values())
        note = ", ".join(run.note() for run in self._running.values())
        return StudyProgress(done, self._total, self.left_s(), note)


def _last(reader: RunReader) -> dict[str, Any]:
    lines, _ = reader.new_metrics()
    return lines[-1] if lines else {}
