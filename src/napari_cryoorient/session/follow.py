"""Follow a run folder, look by look: each look that finds news is one frozen view of the run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.runs import layout
from napari_cryoorient.runs.reader import RunReader, WatchedState
from napari_cryoorient.runs.record import Phase, RunRecord
from napari_cryoorient.session.launch import Launched

INTERVAL_S = 0.25
COARSE_BYTES = 2**24  # smaller changes of memory are no news
GONE = "its folder was moved or deleted"
INTERRUPTED = 130  # exit status after Ctrl-C

Line = dict[str, Any]


@dataclass(frozen=True)
class RunView:
    """A run as it was at one look; ``preview`` is the newest there has been."""

    path: Path
    state: WatchedState = "absent"
    reason: str | None = None
    record: RunRecord = field(default_factory=RunRecord)
    metrics: tuple[Line, ...] = ()
    preview: dict[str, NDArray[Any]] | None = None
    log: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ("stopped", "finished", "failed", "crashed")

    @property
    def is_there(self) -> bool:
        """Whether its folder is still where it was."""
        return (self.path / layout.RECORD).is_file()

    @property
    def phase(self) -> Phase:
        """What the run is at: "preparing", "training", "predicting" or "over"."""
        return self.record.phase

    @property
    def symmetry(self) -> str:
        """Point group the run counts errors under."""
        return self.record.symmetry

    @property
    def labels(self) -> str:
        """What it learns from: "star", "simulated" or "search"; empty where that is not said."""
        return str(self.record.config.get("labels") or "")

    @property
    def star_path(self) -> Path | None:
        """The STAR file it works on."""
        return self.record.inputs.star_path

    @property
    def map_path(self) -> Path | None:
        """The map it works on."""
        return self.record.inputs.map_path

    @property
    def has_poses(self) -> bool:
        """Whether the whole stack has been predicted."""
        return self.state == "finished" and (self.path / layout.POSES).is_file()


class Follower:
    """Looks at a run folder and remembers what it saw."""

    def __init__(self, path: Path, launched: Launched | None = None) -> None:
        self._reader = RunReader(path)
        self._launched = launched
        self._view = RunView(path)
        self._seen: tuple[object, ...] = ()

    def look(self) -> RunView | None:
        """Return the run when there is anything new about it, else None."""
        # The exit first: a run that ends after this look is not taken for one that crashed.
        exit_status = None if self._launched is None else self._launched.exit_status()
        status = self._reader.status()
        record = self._reader.run() or RunRecord()
        was_there = self._view.record != RunRecord()
        if record == RunRecord() and was_there and not self._view.path.is_dir():
            self._view = replace(self._view, state="failed", reason=GONE)
            return self._view
        lines, is_new_file = self._reader.new_metrics()
        preview = self._reader.new_preview()
        log = self._reader.new_log()
        state, reason = status.state, status.reason
        if self._launched is not None:
            if record.pid != self._launched.process.pid:
                record = record.updated(phase="preparing")  # of an earlier go at the run
            if exit_status is None:
                state, reason = "running", None
            else:
                state, reason = self._ended(exit_status, state, reason)
        memory = record.memory.model_dump(exclude_none=True).values()
        seen = (state, reason, record.phase, record.notes, record.device)
        seen = (*seen, *(round(n / COARSE_BYTES) for n in memory))
        if not lines and not is_new_file and preview is None and log is None and seen == self._seen:
            return None
        self._seen = seen
        earlier = () if is_new_file else self._view.metrics
        self._view = RunView(
            self._view.path,
            state,
            reason,
            record,
            (*earlier, *lines),
            self._view.preview if preview is None else preview,
            self._view.log if log is None else log,
        )
        return self._view

    def _ended(
        self, exit_status: int, state: WatchedState, reason: str | None
    ) -> tuple[WatchedState, str | None]:
        """Say how a process of ours ended: one that failed early left no word in the folder."""
        assert self._launched is not None
        if exit_status in (0, INTERRUPTED) or state == "failed":
            return state, reason
        if exit_status < 0:
            return "crashed", f"its process was ended by signal {-exit_status}"
        words = self._launched.last_words()
        return "failed", words or f"its process ended with status {exit_status}"


def follow(
    path: Path, launched: Launched | None = None, interval_s: float = INTERVAL_S
) -> Iterator[RunView | None]:
    """Yield a view at every look with news and None at every other, until the run is over.

    It never raises RuntimeError, which napari's workers swallow.
    """
    follower = Follower(path, launched)
    while True:
        try:
            view = follower.look()
        except Exception as error:
            yield RunView(path, "failed", f"It can no longer be followed: {error}")
            return
        yield view
        if view is not None and view.is_over:
            return
        time.sleep(interval_s)


def last_of(view: RunView, name: str) -> float | None:
    """Return the newest value of a figure, or None."""
    for line in reversed(view.metrics):
        value = line.get(name)
        if isinstance(value, int | float) and np.isfinite(value):
            return float(value)
    return None
