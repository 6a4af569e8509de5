"""Background jobs hand over results and errors; the newest of a kind wins."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.widgets.jobs import Jobs


def test_a_result_comes_back_in_the_window_s_thread(qtbot):
    jobs, got = Jobs(), []
    jobs.start(
        "work", threading.get_ident, lambda ident: got.append((ident, threading.get_ident()))
    )
    qtbot.waitUntil(lambda: bool(got), timeout=20_000)
    assert got[0][0] != got[0][1] == threading.get_ident()
    assert jobs.busy == ""


def test_even_a_runtime_error_is_told(qtbot):
    jobs, told = Jobs(), []

    def out_of_memory() -> None:
        raise RuntimeError("CUDA out of memory")

    def bad() -> None:
        raise InputError("No such map.")

    jobs.start("one", out_of_memory, lambda _: None, told.append)
    jobs.start("two", bad, lambda _: None, told.append)
    qtbot.waitUntil(lambda: len(told) == 2, timeout=20_000)
    unexpected = "one did not work: CUDA out of memory. More is in napari's terminal."
    assert sorted(told) == ["No such map.", unexpected]


def test_only_the_newest_of_a_kind_is_heard(qtbot):
    jobs, got, gate = Jobs(), [], threading.Event()
    jobs.start("load", lambda: gate.wait(20), lambda _: got.append("old"))
    jobs.start("load", lambda: None, lambda _: got.append("new"))
    qtbot.waitUntil(lambda: got == ["new"], timeout=20_000)
    gate.set()
    qtbot.waitUntil(lambda: not jobs._running, timeout=20_000)
    assert got == ["new"]


def test_work_that_outlives_the_window_does_not_end_in_a_crash():
    code = (
        "import time\n"
        "from qtpy.QtWidgets import QApplication\n"
        "from napari_cryoorient.widgets.jobs import Jobs\n"
        "app = QApplication([])\n"
        "jobs = Jobs()\n"
        "jobs.start('slow', lambda: time.sleep(1.0), print)\n"
        "worker = next(iter(jobs._running.values()))[1]\n"
        "if __import__('qtpy').API_NAME == 'PySide6':\n"
        "    from shiboken6 import delete\n"
        "else:\n"
        "    from PyQt6.sip import delete\n"
        "delete(worker.signals)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.window
def test_napari_does_not_ask_about_work_in_the_background(make_napari_viewer, qtbot, monkeypatch):
    """The panel asks itself; napari would name the worker by its address in a second dialog."""
    viewer = make_napari_viewer()
    registered = []
    monkeypatch.setattr(
        type(viewer.window), "_register_task_status", lambda *given, **_: registered.append(given)
    )
    jobs, done = Jobs(), []
    jobs.start("work", lambda: 1, done.append)
    jobs.follow("looks", lambda: iter([1, None]), done.append)
    qtbot.waitUntil(lambda: len(done) == 2, timeout=20_000)
    assert registered == []
    jobs.close()
