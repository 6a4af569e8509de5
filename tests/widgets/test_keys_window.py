"""Keys, the help sheet, the activity dock and an image that cannot be read, in a real window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from napari_cryoorient.errors import InputError
from napari_cryoorient.runs.record import RunRecord
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.follow import RunView
from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.napari_api import grid_of
from napari_cryoorient.widgets.activity import Activity
from napari_cryoorient.widgets.particle_images import ParticleImages
from napari_cryoorient.widgets.shortcuts import bind, help_text, keys_of, show_help

from .conftest import WAIT_MS, AtOnce, Stack, Told

pytestmark = pytest.mark.window


@pytest.fixture
def controller(made: Stack) -> Controller:
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(made.star, made.map)
    return controller


@pytest.fixture
def images(qtbot: Any, controller: Controller) -> Any:
    images = ParticleImages(controller)
    qtbot.addWidget(images)
    bind(images, controller)
    images.resize(700, 320)
    images.show()

    def is_active() -> bool:  # keys go to the active window alone
        images.activateWindow()
        return bool(images.isActiveWindow())

    qtbot.waitUntil(is_active, timeout=WAIT_MS)
    yield images
    images.close_canvas()


def press(qtbot: Any, images: Any, key: Qt.Key, modifier: Any = None) -> None:
    qtbot.keyClick(images.slider, key, modifier or Qt.KeyboardModifier.NoModifier)


def test_keys_step_mark_and_filter(qtbot, images, controller):
    session = controller.session
    press(qtbot, images, Qt.Key.Key_N)
    press(qtbot, images, Qt.Key.Key_N)
    press(qtbot, images, Qt.Key.Key_P)
    assert session.particle == 1
    press(qtbot, images, Qt.Key.Key_R)
    assert session.marks.of(1) == "reject"
    assert images.reject_button.isChecked()
    assert "rejected by hand" in images.headline.whole_text()
    press(qtbot, images, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert session.marks.of(1) is None
    before = session.low_pass_angstrom
    press(qtbot, images, Qt.Key.Key_L)
    assert (session.low_pass_angstrom is None) != (before is None)
    session.set_correlations(np.linspace(1.0, 0.0, len(session.inspection)))
    session.set_particle(3)
    press(qtbot, images, Qt.Key.Key_W)
    assert session.particle == 4
    press(qtbot, images, Qt.Key.Key_B)
    assert session.particle == 3


def test_every_key_is_in_the_help_sheet(qtbot, images, controller):
    text = help_text(controller)
    for key in keys_of(controller):
        assert f"<b>{key.sequence}</b>" in text
    show_help(images, controller)
    (box,) = [child for child in images.findChildren(QMessageBox) if child.isVisible()]
    assert "Reject this particle" in box.text()
    box.close()


def test_an_image_that_cannot_be_read_is_blank_and_says_why(qtbot, images, controller, monkeypatch):
    session = controller.session
    on_disk = session.data.particles.images

    def fail(_self: Any, _indices: Any) -> Any:
        raise InputError("The stack has gone.")

    picture = np.asarray(images.qt_viewer.screenshot(flash=False))[..., :3]
    assert picture.std() > 1
    with monkeypatch.context() as patch:
        patch.setattr(type(on_disk), "read", fail)
        session.set_particle(2)
        qtbot.wait(100)
        assert images.problem.isVisible()
        assert images.problem.text() == "The stack has gone."
    session.set_particle(3)
    assert not images.problem.isVisible()


def test_the_activity_dock_has_the_run_and_stops_it(qtbot, controller, tmp_path, monkeypatch):
    made = []

    class Bar:
        n = 0

        def __init__(self, desc: str, total: int, cancel_callback: Any) -> None:
            self.desc, self.total, self.cancel, self.is_closed = desc, total, cancel_callback, False
            made.append(self)

        def update(self, by: int) -> None:
            self.n += by

        def close(self) -> None:
            self.is_closed = True

    monkeypatch.setattr("napari_cryoorient.widgets.activity.cancelable_progress", Bar)
    activity = Activity(controller)
    session = controller.session
    for seconds in (10.0, 20.0):
        line = {"step": 1, "seconds": seconds, "time_left_s": 40.0 - seconds}
        record = {"phase": "training"}
        session.set_run(
            RunView(tmp_path / "run-007", "running", record=RunRecord.of(record), metrics=(line,))
        )
    (bar,) = made
    assert "run-007" in bar.desc
    assert bar.n == bar.total / 2
    (tmp_path / "run-007").mkdir()
    bar.cancel()
    assert session.is_stopping
    session.set_run(RunView(tmp_path / "run-007", "stopped"))
    assert bar.is_closed
    activity.close()
    assert len(controller.pose_jobs.changed) == 0


def test_reports_heard_while_a_bar_is_made_begin_no_other_one(controller, tmp_path, monkeypatch):
    """napari handles events before its bar is ready: each report began another one, endlessly."""
    made = []
    session = controller.session

    def report() -> None:
        line = {"step": 1, "seconds": 10.0 * len(made), "time_left_s": 40.0 - 10.0 * len(made)}
        record = RunRecord.of({"phase": "training"})
        session.set_run(RunView(tmp_path / "run-007", "running", record=record, metrics=(line,)))

    class Bar:
        n = 0
        is_closed = False

        def __init__(self, desc: str, total: int, cancel_callback: Any) -> None:
            made.append(self)
            if len(made) < 5:
                report()

        def update(self, by: int) -> None:
            self.n += by

        def close(self) -> None:
            self.is_closed = True

    monkeypatch.setattr("napari_cryoorient.widgets.activity.cancelable_progress", Bar)
    activity = Activity(controller)
    report()
    (bar,) = made
    assert bar.n > 0  # by the report that waited
    session.set_run(RunView(tmp_path / "run-007", "stopped"))
    assert bar.is_closed
    activity.close()


def test_napari_s_own_keys_change_nothing_of_what_is_drawn(open_dock, qtbot, made: Stack):
    dock = open_dock()
    dock.controller.load(made.star, made.map)
    qtbot.waitUntil(lambda: dock.session.data.is_trainable and not dock.jobs.busy, timeout=WAIT_MS)
    drawn = {title: dock.tabs.show_tab(title) for title in ("Directions", "Curves", "3D map")}
    drawn["particles"] = dock.workspace.particles
    control, plain = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.NoModifier
    keys = [(getattr(Qt.Key, f"Key_{k}"), control) for k in ("Y", "G", "E", "T", "Delete", "D")]
    keys += [(getattr(Qt.Key, f"Key_{k}"), plain) for k in ("2", "3", "4", "V", "A", "Delete", "G")]
    for where, canvas in drawn.items():
        if where != "particles":
            dock.tabs.show_tab(where)
        qtbot.wait(300)
        model, native = canvas.model, canvas.qt_viewer.canvas.native
        before = drawn_in(model)
        for layer in list(model.layers):
            model.layers.selection.active = layer
            for key, modifier in keys:
                native.setFocus()
                qtbot.keyClick(native, key, modifier)
        assert drawn_in(model) == before, where
        dock.window().activateWindow()
        qtbot.wait(100)
        native.setFocus()
        particle = dock.session.particle
        qtbot.keyClick(native, Qt.Key.Key_N)  # the plugin's own
        qtbot.waitUntil(lambda after=particle + 1: dock.session.particle == after, timeout=3000)


def drawn_in(model: Any) -> tuple[Any, ...]:
    return (
        [layer.name for layer in model.layers],
        [getattr(layer, "mode", None) for layer in model.layers],
        [layer.visible for layer in model.layers],
        model.dims.ndisplay,
        model.dims.order,
        grid_of(model).enabled,
    )
