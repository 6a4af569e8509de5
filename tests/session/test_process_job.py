"""A command as a process: how far it is, what came of it, and that it always ends when asked."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_cryoorient.session.process_job import JobView, ProcessJob, last_json

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")

TELL = """
import json, os, signal, sys, time
def tell(done, total):
    path = os.environ["NAPARI_CRYOORIENT_STATUS"]
    with open(path + ".new", "w") as file:
        json.dump({"title": "Counting", "done": done, "total": total, "left_s": 3.0,
                   "note": "", "said": ["a note"]}, file)
    os.replace(path + ".new", path)
"""

PYTHON = sys.executable
Starter = Callable[[str], ProcessJob]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starter:
    """Start a stand-in for the command line, in Python."""

    def begin(body: str) -> ProcessJob:
        code, script = tmp_path / "stand_in.py", tmp_path / "stand-in"
        code.write_text(TELL + body)
        script.write_text(f"#!/bin/sh\nexec {PYTHON} {code}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr("napari_cryoorient.session.launch.sys.executable", str(script))
        return ProcessJob("Working", ["count"], tmp_path / "job")

    return begin


def views(job: ProcessJob) -> list[JobView]:
    return [view for view in job.follow(interval_s=0.02) if view is not None]


def until_it_tells(job: ProcessJob) -> None:
    deadline = time.monotonic() + 20
    while not (job.folder / "status.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_progress_and_results_come_through(start: Starter) -> None:
    job = start("tell(1, 4); time.sleep(0.3); print('done'); print(json.dumps({'particles': 4}))")
    first, *middle, last = views(job)
    assert (first.title, first.fraction) == ("Working", None)
    assert [(view.title, view.fraction, view.left_s) for view in middle] == [("Counting", 0.25, 3)]
    assert (last.state, last.results, last.said) == ("finished", {"particles": 4}, ("a note",))


def test_a_failure_says_why_in_the_command_s_own_words(start: Starter) -> None:
    body = "print('garbage'); print(json.dumps({'error': 'No map.', 'status': 2})); sys.exit(2)"
    last = views(start(body))[-1]
    assert (last.state, last.reason) == ("failed", "No map.")


def test_a_crash_is_told_too(start: Starter) -> None:
    assert "signal 9" in views(start("os.kill(os.getpid(), 9)"))[-1].reason
    assert "ZeroDivisionError" in views(start("1 / 0"))[-1].reason


def test_a_job_stops_when_asked(start: Starter) -> None:
    job = start("tell(1, 4); time.sleep(60)")
    until_it_tells(job)
    job.stop()
    asked = time.monotonic()
    last = views(job)[-1]
    assert (last.state, job.is_stopping) == ("stopped", True)
    assert time.monotonic() - asked < 5


@pytest.mark.parametrize("deaf_to", ["signal.SIGINT", "signal.SIGINT, signal.SIGTERM"])
def test_a_job_that_does_not_answer_is_ended(
    start: Starter, deaf_to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_cryoorient.session.process_job.TERMINATE_AFTER_S", 0.1)
    monkeypatch.setattr("napari_cryoorient.session.process_job.KILL_AFTER_S", 0.3)
    job = start(
        f"[signal.signal(s, signal.SIG_IGN) for s in ({deaf_to},)]; tell(1, 4); time.sleep(60)"
    )
    until_it_tells(job)
    job.stop()
    assert views(job)[-1].state == "stopped"


def test_ending_a_job_leaves_no_process(start: Starter) -> None:
    job = start("signal.signal(signal.SIGINT, signal.SIG_IGN); tell(1, 4); time.sleep(60)")
    until_it_tells(job)
    job.end()
    assert job._launched.exit_status() is not None


def test_results_are_looked_for_in_the_last_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "terminal.txt"
    assert last_json(path) == {}
    path.write_text('{"a": 1}\nTraceback\n')
    assert last_json(path) == {}
    path.write_text('words\n{"a": 1}\n\n')
    assert last_json(path) == {"a": 1}
