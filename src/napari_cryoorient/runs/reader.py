"""The run folder, from the side of whoever watches: follow, steer, and tell a crash from a pause.

Needs neither torch nor a screen.  Another machine may be training; its clock is not trusted
beyond ``SILENT_S``.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.io.alive import is_alive
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.record import RunRecord
from napari_cryoorient.settings import W

SILENT_S = 60.0
LOG_BYTES = 65536  # of a long log, the end
WatchedState = Literal["absent", "running", "stopped", "finished", "failed", "crashed"]


@dataclass(frozen=True)
class RunStatus:
    """How a run is; ``reason`` says why it failed or seems to have crashed."""

    state: WatchedState
    reason: str | None = None


class RunReader:
    """Follows a run folder; every method may be called at any time, on a folder still empty too."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._offset = 0
        self._inode: int | None = None
        self._preview_seen: tuple[int, int] | None = None
        self._log_size: int | None = None
        self._heartbeat: float | None = None
        self._heartbeat_changed = 0.0

    def run(self) -> RunRecord | None:
        """Return what the run says of itself, or None where there is none."""
        content = read_json(self.path / layout.RECORD)
        return None if content is None else RunRecord.of(content)

    def status(self) -> RunStatus:
        """Return the state of the run; "crashed" when its process is gone or has gone silent."""
        run = self.run()
        if run is None:
            return RunStatus("absent")
        if run.state in ("stopped", "finished", "failed"):
            return RunStatus(run.state, run.reason)
        heartbeat = run.heartbeat or 0.0
        if self._heartbeat is None:
            self._heartbeat_changed = time.monotonic() - max(time.time() - heartbeat, 0.0)
        elif heartbeat != self._heartbeat:
            self._heartbeat_changed = time.monotonic()
        self._heartbeat = heartbeat
        if run.host == socket.gethostname() and not is_alive(run.pid):
            # It may have ended between the two looks.
            again = self.run() or run
            if again.state in ("stopped", "finished", "failed"):
                return RunStatus(again.state, again.reason)
            return RunStatus("crashed", f"its process ({run.pid}) exited unexpectedly")
        silence = time.monotonic() - self._heartbeat_changed
        if silence > SILENT_S:
            return RunStatus("crashed", f"no sign of life for {silence:.0f} s")
        return RunStatus("running")

    def new_metrics(self) -> tuple[list[dict[str, Any]], bool]:
        """Return lines added since the last call, and whether to forget all earlier ones.

        The latter happens when a resumed run drops what came after its checkpoint.  A last line
        still being written waits for the next call.
        """
        path = self.path / layout.METRICS
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                is_new_file = self._inode is not None and (
                    stat.st_ino != self._inode or stat.st_size < self._offset
                )
                offset = 0 if is_new_file else self._offset
                file.seek(offset)
                content = file.read()
        except OSError:
            return [], False
        whole = content[: content.rfind(b"\n") + 1]
        self._inode, self._offset = stat.st_ino, offset + len(whole)
        lines = []
        for line in whole.splitlines():
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict):
                lines.append(values)
        return lines, is_new_file

    def new_preview(self) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of ``preview.npz`` when it is another than last time, else None."""
        path = self.path / layout.PREVIEW
        try:
            stat = path.stat()
            if (stat.st_mtime_ns, stat.st_ino) == self._preview_seen:
                return None
            with np.load(path, allow_pickle=False) as arrays:
                preview = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, KeyError):
            return None
        self._preview_seen = (stat.st_mtime_ns, stat.st_ino)
        return preview

    def test_rows(self) -> NDArray[np.int64] | None:
        """Return the rows of the STAR file that the run does not learn from, or None."""
        try:
            with np.load(self.path / layout.SPLIT, allow_pickle=False) as arrays:
                return np.asarray(arrays["test_rows"], dtype=np.int64)
        except (OSError, ValueError, KeyError):
            return None

    def new_log(self) -> str | None:
        """Return the last part of ``log.txt`` when it is another than last time, else None."""
        path = self.path / layout.LOG
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if size == self._log_size:
                    return None
                file.seek(max(size - LOG_BYTES, 0))
                content = file.read()
        except OSError:
            return None
        self._log_size = size
        text = content.decode("utf-8", "replace")
        return text if size <= LOG_BYTES else text.partition("\n")[2]

    def ask(self, *, w: float | None = None, stop: bool | None = None) -> None:
        """Ask the run for another ``w`` or to stop; what is not named stays as it was."""
        request = read_json(self.path / layout.CONTROL) or {}
        if w is not None:
            if not W.allows(w):
                raise ValueError(f"w lies in {list(W.bounds())}, not {w}")
            request["w"] = w
        if stop is not None:
            request["stop"] = stop
        with atomic_path(self.path / layout.CONTROL) as temporary:
            temporary.write_text(json.dumps(request))


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, or None where there is none to be read now."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
