"""Where runs are trained side by side: one process at a time on each worker, as many as there are.

A worker is a GPU, or a share of the CPU.  Every run is a process of its own, so that one that fails
takes no other along, and GPU memory is free for the next.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from napari_cryoorient.environment import ENDS_WITH_INPUT
from napari_cryoorient.errors import InputError
from napari_cryoorient.processes.signals import first_signal_to
from napari_cryoorient.runs.layout import TERMINAL
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.studies.job import Job

THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
LOOK_EVERY_S = 0.25
# How long to wait for runs that were asked to stop; they save on their own if it takes longer.
LAST_WORDS_S = 0.6
Command = Callable[[Job], Sequence[str]]


@dataclass(frozen=True)
class Worker:
    """A place to train: its name, and what the environment of its processes says besides."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProcessEnd:
    """How the process of a run ended: exit status, and the last line it said."""

    job: Job
    status: int
    last_words: str
    seconds: float


class Stopper:
    """Notices signals to stop while a study runs; ``wait`` returns at once when one came."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    @property
    def is_asked(self) -> bool:
        """Whether the study is to stop."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Ask the study to stop."""
        self._asked.set()

    def wait(self, seconds: float) -> None:
        """Sleep, unless asked to stop."""
        self._asked.wait(seconds)

    def watching_signals(self) -> AbstractContextManager[None]:
        """Take the first signal to stop as a request; the next acts as ever."""
        return first_signal_to(lambda _: self.ask())


def workers_for(device: str, n_jobs: int | None, gpus: Sequence[str]) -> list[Worker]:
    """Choose workers: one for each of ``gpus``, or ``n_jobs`` that share them, or the CPU.

    ``gpus`` are entries of CUDA_VISIBLE_DEVICES.  Threads are shared out where the user has not
    set their number.
    """
    on_gpus = gpus if device in ("auto", "cuda") else ()
    n = n_jobs or len(on_gpus) or 1
    environment = {}
    if n > max(len(on_gpus), 1):
        threads = str(max(1, (os.cpu_count() or 1) // n))
        environment = {name: threads for name in THREAD_SETTINGS if name not in os.environ}
    if on_gpus:
        assigned = [on_gpus[i % len(on_gpus)] for i in range(n)]
        return [
            Worker(
                f"GPU {gpu}" if n <= len(on_gpus) else f"GPU {gpu}, run {i // len(on_gpus) + 1}",
                {"CUDA_VISIBLE_DEVICES": gpu, **environment},
            )
            for i, gpu in enumerate(assigned)
        ]
    kind = "MPS" if device == "mps" else "CPU"
    return [Worker(f"{kind} {i + 1}" if n > 1 else kind, environment) for i in range(n)]


def visible_gpus(device: str) -> list[str]:
    """Return the CUDA devices that runs may use, as CUDA_VISIBLE_DEVICES names them.

    A process of its own counts them, so that this one takes no memory on any.
    """
    if device not in ("auto", "cuda"):
        return []
    count = [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"]
    answer = subprocess.run(count, capture_output=True, text=True, check=False)
    n = int(answer.stdout.strip() or 0) if answer.returncode == 0 else 0
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(i) for i in range(n)]
    return [entry.strip() for entry in named.split(",") if entry.strip()][:n]


def train_command(job: Job) -> list[str]:
    """Return the command line of a run's process."""
    return [sys.executable, "-m", "napari_cryoorient", *job.command()]


class Started(Protocol):
    """A run that was started, here or elsewhere."""

    def ended(self) -> ProcessEnd | None:
        """Return how it ended, None before that."""

    def ask_to_stop(self) -> None:
        """Ask it to save what it has and end."""


class RunProcess:
    """A run's process; what it says goes to a file in the run folder.

    With ``ends_with_us`` it saves and ends where this process is killed.  ``cwd`` is the folder it
    starts in, None for this process's.
    """

    def __init__(
        self,
        job: Job,
        worker: Worker,
        command: Sequence[str],
        *,
        ends_with_us: bool = False,
        cwd: str | None = None,
    ) -> None:
        self.job, self._began = job, time.monotonic()
        self._terminal = job.folder / TERMINAL
        try:
            job.folder.mkdir(parents=True, exist_ok=True)
            with self._terminal.open("wb") as terminal:
                # A session of its own: Ctrl-C reaches it through us, once.
                self._process = subprocess.Popen(
                    list(command),
                    # Nothing is ever written to the pipe: it is closed as this process ends.
                    stdin=subprocess.PIPE if ends_with_us else subprocess.DEVNULL,
                    stdout=terminal,
                    stderr=subprocess.STDOUT,
                    env={
                        **os.environ,
                        **({ENDS_WITH_INPUT: "1"} if ends_with_us else {}),
                        **worker.environment,
                    },
                    start_new_session=True,
                    cwd=cwd,
                )
        except OSError as error:
            raise InputError(
                f"The run in {job.folder} could not be started: {error.strerror}."
            ) from error

    def ended(self) -> ProcessEnd | None:
        """Return how it ended, None before that."""
        status = self._process.poll()
        if status is None:
            return None
        return ProcessEnd(
            self.job, status, _last_line(self._terminal), time.monotonic() - self._began
        )

    def ask_to_stop(self) -> None:
        """Ask it to save what it has and end."""
        if self._process.poll() is not None:
            return
        if os.name == "nt":  # no such signal there; the run looks at its control.json
            RunReader(self.job.folder).ask(stop=True)
        else:
            self._process.send_signal(signal.SIGINT)


def run_jobs(
    jobs: Sequence[Job],
    workers: Sequence[Worker],
    *,
    stopper: Stopper,
    begun: Callable[[Job, Worker], None] | None = None,
    ended: Callable[[ProcessEnd], None] | None = None,
    watch: Callable[[], None] | None = None,
    command: Command = train_command,
    start: Callable[[Job, Worker], Started] | None = None,
) -> None:
    """Deal the jobs out in order, at most one to a worker at a time, until none is left.

    ``ended`` hears of each that ended by itself, and may raise to end the study; ``watch`` is
    called a few times a second.  ``start`` starts a run elsewhere than in a process here.  When
    ``stopper`` is asked, or something is raised, running jobs are asked to save what they have.
    """
    waiting = list(reversed(jobs))
    running: dict[int, Started] = {}
    begin = start or (lambda job, worker: RunProcess(job, worker, command(job)))
    try:
        while (waiting or running) and not stopper.is_asked:
            for place, worker in enumerate(workers):
                if waiting and place not in running:
                    job = waiting.pop()
                    running[place] = begin(job, worker)
                    if begun is not None:
                        begun(job, worker)
            stopper.wait(LOOK_EVERY_S)
            for place, process in list(running.items()):
                if not stopper.is_asked and (end := process.ended()) is not None:
                    del running[place]
                    if ended is not None:
                        ended(end)
            if watch is not None and not stopper.is_asked:
                watch()
    finally:
        _stop(list(running.values()))


def _stop(processes: Sequence[Started]) -> None:
    for process in processes:
        process.ask_to_stop()
    deadline = time.monotonic() + LAST_WORDS_S
    while time.monotonic() < deadline and any(p.ended() is None for p in processes):
        time.sleep(0.02)


def _last_line(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1] if lines else ""
