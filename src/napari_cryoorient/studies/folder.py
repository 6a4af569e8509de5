"""The folder of a study: ``study.json`` says what it is, how it stands, and who is at it.

DIR/study.json, DIR/runs/NAME (a run folder each), DIR/table.csv and pictures; all but the runs are
replaced in one move.
"""

from __future__ import annotations

import csv
import json
import math
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_cryoorient import __version__
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.alive import is_alive
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.json_values import jsonable
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.reader import read_json
from napari_cryoorient.studies.job import Job

FORMAT = 1
TITLES = {
    "sweep": "sweep over w",
    "cross-validation": "cross-validation",
    "noise-study": "noise study",
    "representation-study": "representation study",
    "iterate": "series of rounds (iterate)",
}


class StudyFolder:
    """Writes ``study.json``; one process at a time."""

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path = path
        self._record = record

    @classmethod
    def open(
        cls, path: Path, kind: str, settings: Mapping[str, Any], *, resume: bool = True
    ) -> StudyFolder:
        """Begin a study in ``path``, or go on with the one of the same settings in it.

        Raises InputError when it holds something else, or another process is at it; nothing is
        touched then.
        """
        plain = json.loads(json.dumps(settings))
        found = read_json(path / "study.json")
        if found is None:
            if (path / layout.RECORD).exists() or (path / "runs").exists():
                raise InputError(f"{path} holds runs, but no study: name another folder with -o.")
        else:
            _refuse_other(path, found, kind, plain, resume)
        now = time.time()
        record = {
            "format": FORMAT,
            "kind": kind,
            "state": "running",
            "reason": None,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "version": __version__,
            "started": (found or {}).get("started", now),
            "ended": None,
            "settings": plain,
            "runs": (found or {}).get("runs", []),
        }
        folder = cls(path, record)
        folder._write()
        return folder

    @property
    def record(self) -> dict[str, Any]:
        """What ``study.json`` holds."""
        return dict(self._record)

    def update(self, **values: Any) -> None:
        """Put values into ``study.json``."""
        self._record.update(values)
        self._write()

    def list_runs(self, jobs: Sequence[Job]) -> None:
        """Say which runs the study has, by name, folder and what sets them apart."""
        self.update(
            runs=[
                {"name": job.name, "folder": job.folder.relative_to(self.path).as_posix()}
                | dict(job.facts)
                for job in jobs
            ]
        )

    def close(self, state: str, reason: str | None = None) -> None:
        """Write how the study ended."""
        self.update(state=state, reason=reason, ended=time.time())

    def _write(self) -> None:
        with atomic_path(self.path / "study.json") as temporary:
            temporary.write_text(json.dumps(jsonable(self._record), indent=2) + "\n")


def _refuse_other(
    path: Path, found: Mapping[str, Any], kind: str, settings: Mapping[str, Any], resume: bool
) -> None:
    """Raise InputError where a study in ``path`` cannot go on as requested."""
    title = TITLES.get(str(found.get("kind")), str(found.get("kind")))
    if found.get("kind") != kind:
        raise InputError(f"{path} holds a {title}: name another folder with -o.")
    is_running = found.get("state") == "running" and found.get("pid") != os.getpid()
    if is_running and found.get("host") == socket.gethostname() and is_alive(found.get("pid")):
        raise InputError(
            f"Another process (pid {found['pid']}) is at the {title} in {path}: wait for it, "
            "or stop it."
        )
    if not resume:
        raise InputError(
            f"{path} already holds a {title}: name another folder, or leave out "
            "--no-resume to go on with it."
        )
    if (difference := _difference(found.get("settings") or {}, settings)) is not None:
        raise InputError(
            f"{path} holds a {title} with other settings ({difference}): name another folder "
            "with -o, or give the settings it was started with."
        )


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Say in words which settings differ, or None."""
    first, second = _flat(before), _flat(now)
    changes = []
    for name in [*first, *(n for n in second if n not in first)]:
        was, is_now = first.get(name), second.get(name)
        if was != is_now:
            changes.append(f"{name} {_said(was)}, now {_said(is_now)}")
    return "; ".join(changes) or None


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: value}
    return flat


def _said(value: Any) -> str:
    return "not given" if value is None else str(value)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV; the columns are all that any row has, in order of appearance."""
    columns: dict[str, None] = {}
    for row in rows:
        columns |= dict.fromkeys(row)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
