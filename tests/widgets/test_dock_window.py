"""The panel in a real window: its layout comes back, it closes cleanly, and runs survive that."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.widgets import memory
from napari_cryoorient.widgets.dock_layout import dock_of, is_place

from .conftest import WAIT_MS, Stack

pytestmark = pytest.mark.window


def close(dock) -> None:
    """Close the window as its user does, and keep the fixture from closing it once more."""
    window = dock.window()
    window._save_current_window_settings = lambda: None  # the tester's own napari stays as it is
    window.close()
    assert not window.isVisible()
    del dock.viewer.window._qt_window


def choose(text: str) -> None:
    """Press a button of the question that is about to be asked."""

    def press() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, press)
            return
        next(button for button in box.buttons() if button.text().replace("&", "") == text).click()

    QTimer.singleShot(50, press)


def start(dock, made: Stack, qtbot, folder, steps: int) -> None:
    """Load the made stack and start a run of so many quick steps."""
    session = dock.session
    dock.controller.load(made.star, made.map)
    qtbot.waitUntil(lambda: session.data.is_trainable, timeout=WAIT_MS)
    session.change_settings(preset="paper", box=32, batch_size=2, weights="none", steps=steps)
    session.change_settings(device="cpu", precision="float32")
    dock.train_section.run_row._choose(folder)
    dock.train_section.train_button.click()
    qtbot.waitUntil(lambda: session.inspection.kind == "preview", timeout=WAIT_MS)


def wait_for_state(folder, state: str, patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while RunReader(folder).status().state != state:
        assert time.monotonic() < deadline, RunReader(folder).status()
        time.sleep(0.1)


def test_layout_comes_back(open_dock, qtbot):
    dock = open_dock()
    window = dock.window()
    window.resize(1400, 900)
    qtbot.wait(50)
    total = sum(dock.workspace.sizes())
    dock.workspace.setSizes([total - 290, 290])
    dock.tabs.show_tab("Table")
    dock.tabs.show_tab("3D map")
    qtbot.wait(50)
    total = sum(dock.tabs.sizes())
    dock.tabs.setSizes([total // 2, total - total // 2])
    height, sides = dock.tabs.height(), dock.tabs.sizes()
    dock.show_step("3 Inspect")
    close(dock)

    again = open_dock()
    again.window().resize(1400, 900)
    qtbot.waitUntil(lambda: again.tabs.in_front == ["Table", "3D map"], timeout=WAIT_MS)
    qtbot.waitUntil(lambda: abs(again.tabs.height() - height) <= 4, timeout=WAIT_MS)
    assert again.step_bar.tabText(again.step_bar.currentIndex()) == "3 Inspect"
    left, right = again.tabs.sizes()
    assert left / (left + right) == pytest.approx(sides[0] / sum(sides), abs=0.03)


def test_tabs_that_were_closed_stay_closed_and_are_offered(open_dock, qtbot):
    dock = open_dock()
    dock_of(dock.workspace).destroyOnClose()
    qtbot.waitUntil(lambda: dock.tabs is None, timeout=WAIT_MS)
    assert dock.workspace_button.isVisible()
    assert len(dock.session.run_changed) > 0
    close(dock)
    again = open_dock(has_panels=False)
    qtbot.waitUntil(again.workspace_button.isVisible, timeout=WAIT_MS)
    assert again.tabs is None
    again.workspace_button.click()
    qtbot.waitUntil(again.tabs.isVisible, timeout=WAIT_MS)
    assert not again.workspace_button.isVisible()


def test_a_panel_that_is_closed_and_opened_again_is_as_it_was(open_dock, qtbot, made):
    dock = open_dock()
    session, viewer = dock.session, dock.viewer
    dock.controller.load(made.star, made.map)
    qtbot.waitUntil(lambda: session.data.is_trainable and not dock.jobs.busy, timeout=WAIT_MS)
    session.set_particle(5)
    session.change_settings(w=0.35, symmetry="C2")
    dock.controller.marking.mark("reject")
    listeners = len(session.particle_changed)
    central = dock.window().centralWidget()
    assert central.isHidden()
    dock_of(dock).destroyOnClose()
    # The overview of micrographs belongs to the session, and goes on listening.
    qtbot.waitUntil(lambda: len(session.particle_changed) == 1, timeout=WAIT_MS)
    assert listeners > 1
    assert not central.isHidden()
    _, again = viewer.window.add_plugin_dock_widget("napari-cryoorient", "CryoOrient")
    assert again is not dock
    qtbot.waitUntil(lambda: again.tabs is not None, timeout=WAIT_MS)
    assert again.session is session
    assert again.data_section.star_row.path() == made.star
    assert again.train_section.w_slider.value() == pytest.approx(0.35)
    assert again.inspect_section.particle.value() == 6
    assert again.workspace.particles.reject_button.isChecked()
    assert len(again.workspace.particles.model.layers) == 2
    again.controller.marking.undo()


def test_a_layout_that_makes_no_sense_is_left_aside(open_dock):
    kept = {"panel": 3, "below": {"area": "moon"}, "sides": ["a"], "in_front": [None]}
    memory.QSettings().setValue("layout", json.dumps(kept))
    dock = open_dock()
    assert dock.tabs.in_front == ["Curves", "Directions"]
    assert not is_place({"area": "left", "is_floating": False, "box": [0, 0, 1, 1]})


def test_a_run_left_to_itself_goes_on_and_finishes(open_dock, qtbot, made, tmp_path):
    dock = open_dock()
    start(dock, made, qtbot, tmp_path / "run", steps=60)
    pid = RunReader(tmp_path / "run").run().pid
    os.kill(pid, signal.SIGSTOP)  # it may not end before the questions are answered
    window = dock.window()
    choose("Cancel")
    window.close()
    assert window.isVisible()
    assert dock.session.is_training
    choose("Keep it running")
    close(dock)
    assert len(dock.session.run_changed) == 0  # nobody listens any more
    os.kill(pid, signal.SIGCONT)
    wait_for_state(tmp_path / "run", "finished")
    assert (tmp_path / "run" / "poses.star").is_file()


def test_a_run_that_is_killed_says_so_and_one_can_go_on_and_be_stopped(
    open_dock, qtbot, made, tmp_path, monkeypatch
):
    told = []
    monkeypatch.setattr(
        "napari_cryoorient.widgets.workbench.Notifications.error", lambda _, text: told.append(text)
    )
    dock = open_dock()
    folder = tmp_path / "run"
    start(dock, made, qtbot, folder, steps=100_000)
    session = dock.session
    qtbot.waitUntil((folder / "checkpoint.pt").is_file, timeout=WAIT_MS)
    os.kill(RunReader(folder).run().pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: session.run.is_over, timeout=WAIT_MS)
    assert session.run.state == "crashed"
    assert "signal 9" in dock.train_section.headline.text()
    assert (folder / "checkpoint.pt").is_file()
    assert len(told) == 1
    assert "checkpoint is kept" in told[0]

    dock.train_section.resume_button.click()
    step = session.run.metrics[-1]["step"] if session.run.metrics else 0
    qtbot.waitUntil(
        lambda: bool(session.run.metrics) and session.run.metrics[-1]["step"] > step,
        timeout=WAIT_MS,
    )
    choose("Stop it")
    close(dock)
    wait_for_state(folder, "stopped")
    assert (folder / "checkpoint.pt").is_file()
    assert RunReader(folder).run().resumed
