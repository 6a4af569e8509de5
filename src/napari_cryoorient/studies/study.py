"""A study from its first run to its table and pictures: what every kind has in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_cryoorient.errors import InputError
from napari_cryoorient.processes.interrupts import is_status_of_stop
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.studies.folder import StudyFolder, write_table
from napari_cryoorient.studies.job import Job
from napari_cryoorient.studies.progress import Estimate, StudyForecast
from napari_cryoorient.studies.results import Row, finished, row_of
from napari_cryoorient.studies.workers import (
    Command,
    ProcessEnd,
    Started,
    Stopper,
    Worker,
    run_jobs,
    train_command,
)

BAD_INPUT = 2  # the exit status of ``train`` for what no other run could do better
# A run that was just asked to stop may still be saving when its study is taken up again.
WAIT_FOR_LAST_WORDS_S = 10.0


@dataclass(frozen=True)
class Study:
    """What to train, and what to make of it.

    ``settings`` have to be the same when a study is resumed.  ``summarise`` gets the rows of the
    table, writes further tables and pictures, and returns what is worth saying; ``prepare`` makes
    the data where a study makes its own.
    """

    kind: str
    folder: Path
    settings: Mapping[str, Any]
    jobs: tuple[Job, ...]
    summarise: Callable[[Study, list[Row]], dict[str, Any]]
    prepare: Callable[[Reporter, Stopper], None] | None = None


@dataclass(frozen=True)
class StudyResult:
    """What came of a study: the table, what ``summarise`` said, and why runs failed."""

    rows: list[Row]
    facts: dict[str, Any]
    failed: dict[str, str] = field(default_factory=dict)
    estimate: Estimate | None = None
    is_complete: bool = False


def run_study(
    study: Study,
    workers: Sequence[Worker],
    *,
    resume: bool = True,
    only_estimate: bool = False,
    reporter: Reporter = SILENT,
    stopper: Stopper | None = None,
    command: Command = train_command,
    start: Callable[[Job, Worker], Started] | None = None,
) -> StudyResult:
    """Train what is not trained yet, then write ``table.csv`` and the pictures.

    Runs that are finished stay as they are, stopped ones go on.  The forecast comes from the first
    run's first seconds; with ``only_estimate`` the study stops there and keeps them.  A run that
    fails is named, and the others go on.  ``start`` starts a run elsewhere than in a process here.

    Raises InputError where the folder holds another study, or when the very first run cannot start
    for a reason that holds for all; KeyboardInterrupt when asked to stop, with all kept.
    """
    stopper = stopper or Stopper()
    folder = StudyFolder.open(study.folder, study.kind, study.settings, resume=resume)
    attempt = _Attempt(study, folder, workers, reporter, stopper, only_estimate)
    try:
        with stopper.watching_signals():
            folder.list_runs(study.jobs)
            if study.prepare is not None:
                study.prepare(reporter, stopper)
            _refuse_busy_runs(study.jobs, stopper)
            if not stopper.is_asked:
                attempt.train(command, start)
            if attempt.is_estimated_only:
                folder.close("stopped", "only an estimate was requested")
                return StudyResult(attempt.table(), {}, estimate=attempt.estimate)
            if stopper.is_asked:
                raise KeyboardInterrupt
            rows = attempt.table()
            facts = study.summarise(study, rows) if finished(rows) else {}
    except KeyboardInterrupt:
        folder.close("stopped", "interrupted")
        raise
    except BaseException as error:
        folder.close("failed", str(error) or type(error).__name__)
        raise
    state = "failed" if attempt.failed else "finished"
    folder.update(failed=attempt.failed, **facts)
    folder.close(state, "; ".join(f"{k}: {v}" for k, v in attempt.failed.items()) or None)
    return StudyResult(rows, facts, attempt.failed, attempt.estimate, is_complete=True)


class _Attempt:
    """One go at a study: follows its runs, writes the table, tells how it goes."""

    def __init__(
        self,
        study: Study,
        folder: StudyFolder,
        workers: Sequence[Worker],
        reporter: Reporter,
        stopper: Stopper,
        only_estimate: bool,
    ) -> None:
        self.study, self.folder, self.reporter, self.stopper = study, folder, reporter, stopper
        self.only_estimate = only_estimate
        self.workers = list(workers)
        self.failed: dict[str, str] = {}
        self.estimate: Estimate | None = None
        self.is_estimated_only = False
        self._waiting = [job for job in study.jobs if row_of(job)["state"] != "finished"]
        n_finished = len(study.jobs) - len(self._waiting)
        self._forecast = StudyForecast(len(study.jobs), n_finished, len(workers))
        self._whole = {j.name for j in self._waiting if not (j.folder / layout.RECORD).exists()}
        self._n_ended_well = n_finished

    def train(self, command: Command, start: Callable[[Job, Worker], Started] | None) -> None:
        """Train what is not trained yet."""
        n, left = len(self.study.jobs), len(self._waiting)
        if left < n:
            self.reporter.say(f"{n - left} of {n} runs are finished already, and stay as they are.")
        if not left:
            return
        self.reporter.step("Runs")
        run_jobs(
            self._waiting,
            self.workers,
            stopper=self.stopper,
            begun=lambda job, _worker: self._forecast.begin(job),
            ended=self._on_ended,
            watch=self._on_look,
            command=command,
            start=start,
        )

    def table(self) -> list[Row]:
        """Write ``table.csv`` as the runs stand, and return its rows."""
        rows = [row_of(job) for job in self.study.jobs]
        for row in rows:
            if row["name"] in self.failed:
                row["state"] = "failed"
        write_table(self.study.folder / "table.csv", rows)
        return rows

    def _on_ended(self, end: ProcessEnd) -> None:
        state = row_of(end.job)["state"]
        is_good = end.status == 0 and state == "finished"
        whole = is_good and end.job.name in self._whole
        self._forecast.end(end.job, end.seconds if whole else None)
        if is_good:
            self._n_ended_well += 1
        elif is_status_of_stop(end.status):  # someone stopped this run, not the study
            self.failed[end.job.name] = "stopped from outside"
        else:
            why = RunReader(end.job.folder).status().reason or end.last_words
            why = why.removeprefix("napari-cryoorient: ") or f"exit status {end.status}"
            if end.status == BAD_INPUT and not self._n_ended_well and not self.failed:
                raise InputError(why)
            self.failed[end.job.name] = why
        if end.job.name in self.failed:
            self.reporter.say(f"{end.job.name} failed: {self.failed[end.job.name]}")
        self.table()

    def _on_look(self) -> None:
        self._forecast.look()
        now = self._forecast.now()
        run_s = self._forecast.run_s
        if self.estimate is None and run_s is not None and now.time_left_s is not None:
            names = tuple(worker.name for worker in self.workers)
            self.estimate = Estimate(len(self._waiting), run_s, now.time_left_s, names)
            self.folder.update(estimate=vars(self.estimate))
            self.reporter.say(self.estimate.sentence())
            if self.only_estimate:
                self.is_estimated_only = True
                self.stopper.ask()
        # Before a run has shown its pace the bar stands still and estimates no time.
        done = round(now.done, 2) if now.time_left_s is not None else int(now.done)
        self.reporter.progress(done, now.total, time_left_s=now.time_left_s, note=now.note)


def _refuse_busy_runs(jobs: Sequence[Job], stopper: Stopper) -> None:
    """Wait a little for runs that are still saving; raise InputError for one that trains on."""
    deadline = time.monotonic() + WAIT_FOR_LAST_WORDS_S
    for job in jobs:
        while not stopper.is_asked:
            if RunReader(job.folder).status().state != "running":
                break
            if time.monotonic() > deadline:
                raise InputError(
                    f"{job.folder} is being trained by another process: wait for it, or stop it."
                )
            stopper.wait(0.2)
