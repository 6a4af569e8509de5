"""The run folder, from the side of the process that trains: it writes, others read.

Files are replaced in one move, so that a reader finds a whole one at any instant;
``metrics.jsonl`` and ``log.txt`` grow by whole lines.
"""

from __future__ import annotations

import json
import math
import os
import platform
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from napari_cryoorient import __version__
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.json_values import jsonable
from napari_cryoorient.memory import memory_in_use
from napari_cryoorient.particles import Integers
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.reader import RunReader, read_json
from napari_cryoorient.runs.record import FORMAT, DeviceRecord, InputsRecord, RunRecord, State
from napari_cryoorient.settings import W
from napari_cryoorient.training.report import Metrics, Preview, Request

HEARTBEAT_S = 2.0
CONTROL_INTERVAL_S = 0.05
# Where files cannot be replaced while a reader has them open, wait for it.
N_TRIES, TRY_AGAIN_S = 20, 0.05


class RunFolder:
    """Writes ``run.json`` with a heartbeat, metrics, previews and the log of one run."""

    def __init__(self, path: Path, *, resume: bool, config: dict[str, Any]) -> None:
        """Open ``path`` for a new run, or for one more go at the run in it.

        Raises InputError when it holds a run and ``resume`` is False, when another process is at
        it, or when it cannot be written.
        """
        self.path = path
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._warned = False
        earlier = RunReader(path).run()
        check_folder(path, resume)
        if earlier is not None and earlier.state == "running":
            self._clear_stop()  # it crashed; an old request to stop is void
        now = time.time()
        self._record = RunRecord(
            format=FORMAT,
            state="running",
            reason=None,
            phase="preparing",
            pid=os.getpid(),
            host=socket.gethostname(),
            started=(earlier and earlier.started) or now,
            resumed=(*earlier.resumed, now) if earlier is not None else (),
            ended=None,
            heartbeat=now,
            versions=_versions(),
            config=config,
            inputs=InputsRecord(),
            device=DeviceRecord(),
            notes=(),
        )
        self._write_record()
        self._beating = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
        self._beating.start()

    def update(self, **values: Any) -> None:
        """Put values of ``RunRecord`` into it; dictionaries add to what a part holds."""
        with self._lock:
            self._record = self._record.updated(**values)
        self._write_record()

    def offer_control(self, w: float, *, overwrite: bool) -> None:
        """Write ``control.json`` if absent; with ``overwrite``, ``w`` wins over an old request."""
        requested = read_json(self.path / layout.CONTROL)
        if requested is None or overwrite:
            content = json.dumps({"stop": False, **(requested or {}), "w": w})
            self._replace(layout.CONTROL, lambda temporary: temporary.write_text(content))

    def note(self, sentence: str) -> None:
        """Keep a sentence for the user, in ``run.json`` and the log."""
        with self._lock:
            self._record = self._record.updated(notes=(*self._record.notes, sentence))
        self._write_record()
        self.log(sentence)

    def log(self, line: str) -> None:
        """Add a line to ``log.txt``."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        self._append(layout.LOG, f"{stamp}  {line}\n")

    def write_metrics(self, metrics: Metrics) -> None:
        """Add a line to ``metrics.jsonl``; numbers that are not finite become null."""
        self._append(layout.METRICS, json.dumps(jsonable(asdict(metrics)), allow_nan=False) + "\n")

    def drop_metrics_after(self, step: int) -> None:
        """Forget lines later than the checkpoint that training continues from."""
        path = self.path / layout.METRICS
        if not path.is_file():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                values = json.loads(line)
            except json.JSONDecodeError:
                continue  # half a line of a process that was killed
            if values.get("step", 0) <= step:
                kept.append(line + "\n")
        self._replace(layout.METRICS, lambda temporary: temporary.write_text("".join(kept)))

    def write_split(self, train_rows: Integers, test_rows: Integers) -> None:
        """Write which rows of the STAR file are learned from, and which are held out."""
        self._replace_arrays(layout.SPLIT, {"train_rows": train_rows, "test_rows": test_rows})

    def write_preview(self, preview: Preview) -> None:
        """Replace ``preview.npz``."""
        self._replace_arrays(layout.PREVIEW, {k: np.asarray(v) for k, v in vars(preview).items()})

    def _replace_arrays(self, name: str, arrays: dict[str, Any]) -> None:
        def save(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez(file, **arrays)

        self._replace(name, save)

    def close(self, state: State, reason: str | None = None) -> None:
        """Write how the run ended; the request to stop, if there was one, is fulfilled."""
        self._over.set()
        self._beating.join()
        self.log(f"{state}{': ' + reason if reason else ''}")
        self._clear_stop()
        self.update(state=state, reason=reason, phase="over", ended=time.time())

    def _clear_stop(self) -> None:
        requested = read_json(self.path / layout.CONTROL)
        if requested and requested.get("stop"):
            content = json.dumps({**requested, "stop": False})
            self._replace(layout.CONTROL, lambda temporary: temporary.write_text(content))

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_S):
            try:
                self._write_record()
            except (OSError, InputError) as error:  # a full disk: training may still go on
                if not self._warned:
                    self._warned = True
                    print(f"heartbeat: {error}", file=sys.stderr, flush=True)

    def _write_record(self) -> None:
        with self._lock:
            self._record = self._record.updated(heartbeat=time.time(), memory=memory_in_use())
            content = json.dumps(jsonable(self._record.content()), indent=2, allow_nan=False)
            self._replace(layout.RECORD, lambda temporary: temporary.write_text(content))

    def _append(self, name: str, text: str) -> None:
        path = self.path / name
        content = text.encode()
        if path.is_file() and not _ends_in_newline(path):
            content = b"\n" + content  # after a process that was killed in the middle of a line
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, content)  # one call: a reader sees none or all of it
            finally:
                os.close(descriptor)
        except OSError as error:
            raise InputError(
                f"{path} cannot be written ({error.strerror}); free some space or write elsewhere."
            ) from error

    def _replace(self, name: str, write: Callable[[Path], object]) -> None:
        for left in reversed(range(N_TRIES)):
            try:
                with atomic_path(self.path / name) as temporary:
                    write(temporary)
                return
            except InputError as error:
                if not left or not isinstance(error.__cause__, PermissionError):
                    raise
                time.sleep(TRY_AGAIN_S)


def check_folder(path: Path, resume: bool) -> None:
    """Raise InputError where a run cannot begin in ``path``, or cannot go on; touches nothing."""
    status = RunReader(path).status()
    if status.state == "absent":
        if resume:
            raise InputError(f"{path} holds no run to resume: leave out --resume to start one.")
        return
    if status.state == "running":
        raise InputError(f"{path} is being trained by another process: stop that first.")
    # A run that ended before its first checkpoint has nothing that another could spoil; one
    # that seems to have crashed may yet be alive on another machine.
    never_began = status.state in ("failed", "stopped") and not (path / layout.CHECKPOINT).exists()
    if not resume and not never_began:
        raise InputError(
            f"{path} already holds a run ({status.state}): "
            "name another folder, or go on with it by --resume."
        )


class FileControl:
    """Reads the user's requests from ``control.json``; looks at it twenty times a second at most.

    ``tell`` gets a sentence once for each file that is not understood, whole or in part.
    """

    def __init__(self, path: Path, tell: Callable[[str], None] | None = None) -> None:
        self._path = path / layout.CONTROL
        self._announce = tell or (lambda sentence: None)
        self._seen: tuple[int, int] | None = None
        self._odd: tuple[tuple[int, int] | None, int] = (None, 0)
        self._looked = -math.inf
        self._request = Request()

    def poll(self) -> Request:
        """Return the latest request; what cannot be understood changes nothing."""
        now = time.monotonic()
        if now - self._looked < CONTROL_INTERVAL_S:
            return self._request
        self._looked = now
        try:
            stat = self._path.stat()
        except OSError:
            return self._request
        version = (stat.st_mtime_ns, stat.st_ino)
        if version == self._seen:
            return self._request
        content = read_json(self._path)
        if content is None:
            # Somebody may be in the middle of writing it: only the second look counts.
            if self._odd == (version, 1):
                self._announce(
                    f"Not understood, so nothing changes: no JSON object in {self._path}."
                )
            self._odd = (version, self._odd[1] + 1 if self._odd[0] == version else 1)
            return self._request
        self._seen = version
        self._request, misunderstood = _request_of(content)
        if misunderstood:
            self._announce(f"Not understood in {self._path}, and left aside: {misunderstood}.")
        return self._request


def _request_of(content: dict[str, Any]) -> tuple[Request, str]:
    """Return the request, and in words what of it is none."""
    w, stop = content.get("w"), content.get("stop")
    is_number = isinstance(w, int | float) and not isinstance(w, bool)
    is_good = is_number and w is not None and W.allows(w)
    wrong = []
    if w is not None and not is_good:
        low, high = W.bounds()
        wrong.append(f"w {json.dumps(w)}, which is no number from {low:g} to {high:g}")
    if stop is not None and not isinstance(stop, bool):
        wrong.append(f"stop {json.dumps(stop)}, which is neither true nor false")
    wrong += [f"{key}, which nothing is called" for key in content if key not in ("w", "stop")]
    return Request(w=float(w) if is_good and w is not None else None, stop=stop is True), "; ".join(
        wrong
    )


def _ends_in_newline(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _versions() -> dict[str, str]:
    import torch

    return {
        "napari-cryoorient": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }
