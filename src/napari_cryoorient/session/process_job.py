"""One command of ``napari-cryoorient`` as a process of its own: started, followed, stopped.

The command tells how far it is in a status file and what came of it in its last line (``--json``).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from napari_cryoorient.runs.layout import TERMINAL
from napari_cryoorient.runs.reader import read_json
from napari_cryoorient.session.countdown import Countdown
from napari_cryoorient.session.launch import Launched, launch

STATUS = "status.json"
INTERVAL_S = 0.1
# A process that does not answer is asked more firmly after these many seconds, then ended.
TERMINATE_AFTER_S, KILL_AFTER_S = 2.0, 5.0
PATIENCE_S = 3.0  # of a window that is being closed
State = Literal["running", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class JobView:
    """A job as it was at one look; ``fraction`` is None where nothing is known of its end."""

    title: str
    folder: Path
    state: State = "running"
    done: float = 0.0
    total: float | None = None
    left_s: float | None = None
    is_slower: bool = False  # than was said before, which is why less time has not come off
    said: tuple[str, ...] = ()
    reason: str = ""
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state != "running"

    @property
    def fraction(self) -> float | None:
        """How far it is, from 0 to 1."""
        return None if not self.total else min(self.done / self.total, 1.0)


class ProcessJob:
    """A command that was started, and the request to stop it."""

    def __init__(self, title: str, arguments: list[str], folder: Path) -> None:
        """Start the command; it writes into ``folder``, which is made.

        Raises:
            InputError: where the folder cannot be made or the process cannot start.

        """
        self.title = title
        self.folder = folder
        self._launched: Launched = launch([*arguments, "--json"], folder, folder / STATUS)
        self._stop_asked: float | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether it has been asked to stop."""
        return self._stop_asked is not None

    def stop(self) -> None:
        """Ask it to stop; ``follow`` asks again, more firmly, if it does not."""
        if self._stop_asked is None:
            self._stop_asked = time.monotonic()
            self._launched.interrupt()

    def end(self) -> None:
        """End it and wait until it is gone: a moment for itself, to end what it has started."""
        self.stop()
        try:
            self._launched.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._launched.kill()

    def follow(self, interval_s: float = INTERVAL_S) -> Iterator[JobView | None]:
        """Yield a view at every look with news, None at every other, until the job is over.

        It never raises RuntimeError, which napari's workers swallow.
        """
        view = JobView(self.title, self.folder)
        countdown, began = Countdown(), time.monotonic()
        yield view
        seen = None
        while True:
            exit_status = self._launched.exit_status()
            status = read_json(self.folder / STATUS)
            if exit_status is not None:
                yield self._ended(_with_status(view, status), exit_status)
                return
            self._press()
            if status != seen:
                seen, view = status, _with_status(view, status)
                if view.left_s is not None:
                    left_s = countdown.update(time.monotonic() - began, view.left_s)
                    view = replace(view, left_s=left_s, is_slower=countdown.is_slower)
                yield view
            else:
                yield None
            time.sleep(interval_s)

    def _press(self) -> None:
        """Ask again, more firmly, who has not answered."""
        if self._stop_asked is None:
            return
        waited = time.monotonic() - self._stop_asked
        if waited > KILL_AFTER_S:
            self._launched.process.kill()
        elif waited > TERMINATE_AFTER_S:
            self._launched.process.terminate()

    def _ended(self, view: JobView, exit_status: int) -> JobView:
        if exit_status == 0:
            return replace(view, state="finished", results=last_json(self.folder / TERMINAL))
        if self.is_stopping:
            return replace(view, state="stopped", reason="as requested")
        if exit_status < 0:
            return replace(view, state="failed", reason=f"it was ended by signal {-exit_status}")
        error = last_json(self.folder / TERMINAL).get("error")
        reason = str(error or self._launched.last_words() or f"it ended with status {exit_status}")
        return replace(view, state="failed", reason=reason)


def _with_status(view: JobView, status: dict[str, Any] | None) -> JobView:
    if status is None:
        return view
    total, left_s = status.get("total"), status.get("left_s")
    return replace(
        view,
        title=str(status.get("title") or view.title),
        done=float(status.get("done") or 0.0),
        total=None if total is None else float(total),
        left_s=None if left_s is None else float(left_s),
        said=tuple(str(line) for line in status.get("said", ())),
    )


def last_json(path: Path) -> dict[str, Any]:
    """Return the results in the last line of what a command wrote; empty where there are none."""
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 65536, 0))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        if line.strip():
            try:
                found = json.loads(line)
            except ValueError:
                return {}
            return found if isinstance(found, dict) else {}
    return {}
