"""Runs trained where a Dask cluster has room: each a process beside the worker that got it.

Which worker that is, and that a run goes on elsewhere when its worker is lost, is Dask's business;
the run goes on from its last checkpoint.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_cryoorient.cluster.dask_executor import ENDED, DaskExecutor
from napari_cryoorient.errors import InputError, TrainingFailure
from napari_cryoorient.processes.interrupts import is_status_of_stop
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.runs.reader import SILENT_S, RunReader
from napari_cryoorient.studies.job import Job
from napari_cryoorient.studies.progress import StudyForecast
from napari_cryoorient.studies.workers import (
    LOOK_EVERY_S,
    Command,
    ProcessEnd,
    RunProcess,
    Stopper,
    Worker,
    run_jobs,
    train_command,
    visible_gpus,
)

if TYPE_CHECKING:
    from distributed import Future

# Of a run whose worker is gone nothing is heard for so long at most, though it is still saving.
_LAST_WORDS_S = SILENT_S + 5.0
_BAD_INPUT = 2


class RemoteRun:
    """A run that a cluster was given to train."""

    def __init__(self, job: Job, executor: DaskExecutor, command: Command = train_command) -> None:
        # A worker starts in a folder of its own.
        self.job, self._executor = replace(job, folder=job.folder.absolute()), executor
        self._future: Future = executor.start(train_here, self.job, command, os.getcwd())

    def ended(self) -> ProcessEnd | None:
        """Return how it ended, None before that; raises InputError where the cluster is lost."""
        from distributed import KilledWorker

        self._executor.look()
        if not self._future.done():
            return None
        try:
            status, last_words, seconds = self._future.result()
        except KilledWorker:
            return ProcessEnd(self.job, 1, ENDED, 0.0)
        return ProcessEnd(self.job, int(status), str(last_words), float(seconds))

    def ask_to_stop(self) -> None:
        """Ask the run to save and end; one that has not begun is taken back."""
        reader = RunReader(self.job.folder)
        if reader.status().state == "running":
            reader.ask(stop=True)
        else:
            self._executor.take_back(self._future)


def train_here(job: Job, command: Command, folder: str) -> tuple[int, str, float]:
    """Train a run in a process beside this worker; return status, last words and seconds.

    ``folder`` is the one that relative paths start from.
    """
    reader, deadline = RunReader(job.folder), time.monotonic() + _LAST_WORDS_S
    # A worker that was lost may have left the run saving what it has.
    while reader.status().state == "running" and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
    process = RunProcess(job, Worker("", _own_gpu()), command(job), ends_with_us=True, cwd=folder)
    while (end := process.ended()) is None:
        time.sleep(LOOK_EVERY_S)
    return end.status, end.last_words, end.seconds


def train_there(job: Job, executor: DaskExecutor, reporter: Reporter) -> None:
    """Have one run trained by a cluster, and follow it.

    Raises InputError or TrainingFailure where it fails, KeyboardInterrupt when stopped.
    """
    forecast, stopper = StudyForecast(1, 0, 1), Stopper()
    ends: list[ProcessEnd] = []

    def watch() -> None:
        forecast.look()
        now = forecast.now()
        reporter.progress(now.done, now.total, time_left_s=now.time_left_s, note=now.note)
        if reporter.should_stop():
            stopper.ask()

    with stopper.watching_signals():
        run_jobs(
            [job],
            [Worker("worker")],
            stopper=stopper,
            begun=lambda job, _worker: forecast.begin(job),
            ended=ends.append,
            watch=watch,
            start=lambda job, _worker: RemoteRun(job, executor),
        )
    if stopper.is_asked or (ends and is_status_of_stop(ends[0].status)):
        raise KeyboardInterrupt
    if ends[0].status:
        why = RunReader(job.folder).status().reason or ends[0].last_words
        why = why.removeprefix("napari-cryoorient: ") or f"exit status {ends[0].status}"
        raise InputError(why) if ends[0].status == _BAD_INPUT else TrainingFailure(why)


@functools.lru_cache(maxsize=1)
def _gpus() -> tuple[str, ...]:
    """Return the GPUs of this machine; a process that imports torch counts them."""
    return tuple(visible_gpus("auto")) if shutil.which("nvidia-smi") else ()


def _own_gpu() -> dict[str, str]:
    """Return the environment that gives this worker one of its machine's GPUs, by its number."""
    from distributed import get_worker

    number = re.search(r"(\d+)$", str(get_worker().name))
    gpus = _gpus()
    if len(gpus) < 2 or number is None:
        return {}
    return {"CUDA_VISIBLE_DEVICES": gpus[int(number[1]) % len(gpus)]}
