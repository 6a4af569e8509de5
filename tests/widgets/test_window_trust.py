"""What is shown is what is loaded: by pixels and clicks in a real window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.qt import QtViewer
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QScrollBar,
    QWidget,
)

from napari_cryoorient.io.fourier_resize import fourier_resize
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.particles import Images
from napari_cryoorient.session.display_filter import LowPassFiltered
from napari_cryoorient.session.inspection import NOTHING, Predictions
from napari_cryoorient.viewer.napari_api import camera_of

from .conftest import WAIT_MS, Stack

pytestmark = pytest.mark.window


def load(dock: Any, qtbot: Any, star: Any, map_path: Any) -> None:
    dock.data_section.star_row._choose(star)
    dock.data_section.map_row._choose(map_path)
    qtbot.waitUntil(
        lambda: (
            not dock.jobs.busy
            and dock.session.inspection is not NOTHING
            and dock.session.data.star_path == star
        ),
        timeout=WAIT_MS,
    )


def canvas_of(dock: Any, qtbot: Any) -> Images:
    """Return what the canvas with the particle shows, grey from 0 to 1."""
    qtbot.wait(300)
    pixels = np.asarray(dock.workspace.particles.qt_viewer.screenshot(flash=False))
    return (pixels[..., :3].mean(-1) / 255).astype(np.float32)


def particle_on(picture: Images, dock: Any) -> int:
    """Return the particle whose image looks most like the one on the left of a picture."""
    session = dock.session
    n_pictures = len(session.inspection.pictures)
    cell = picture[:, : picture.shape[1] // n_pictures]
    edge = min(cell.shape)
    top, left = (cell.shape[0] - edge) // 2, (cell.shape[1] - edge) // 2
    square = cell[top : top + edge // 2 * 2, left : left + edge // 2 * 2]
    images = LowPassFiltered(
        session.inspection.pictures[0].images, session.low_pass_angstrom or 20.0
    ).read(np.arange(len(session.inspection)))
    box = images.shape[-1]
    seen = fourier_resize(square[None].astype(np.float32), box, 2)[0]
    flat = images.reshape(len(images), -1) - images.mean((1, 2))[:, None]
    return int((flat @ (seen - seen.mean()).ravel() / np.linalg.norm(flat, axis=1)).argmax())


def test_layers_of_the_user_change_neither_picture_nor_slider(open_dock, qtbot, made: Stack):
    dock = open_dock()
    load(dock, qtbot, made.star, made.map)
    particles = dock.workspace.particles
    n = len(dock.session.inspection)
    dock.viewer.add_image(np.zeros((3, 8, 8), np.float32), name="first of the user's")
    qtbot.wait(300)
    particles.slider.setValue(8)
    before = canvas_of(dock, qtbot)
    assert particle_on(before, dock) == dock.session.particle == 7

    random = np.random.default_rng(0).random((2 * n, 90, 90)).astype(np.float32)
    dock.viewer.add_image(random, scale=(5.0, 40.0, 40.0), name="a map dropped on the canvas")
    dock.viewer.dims.set_current_step(0, n + 3)
    qtbot.wait(300)
    np.testing.assert_array_equal(canvas_of(dock, qtbot), before)
    assert dock.session.particle == 7
    assert particles.slider.maximum() == n

    particles.slider.setValue(20)
    assert particle_on(canvas_of(dock, qtbot), dock) == dock.session.particle == 19
    assert dock.inspect_section.particle.value() == 20
    dock.viewer.layers.clear()
    qtbot.wait(300)
    assert particle_on(canvas_of(dock, qtbot), dock) == 19


def write_stack(made: Stack, name: str, scale: float, offset: float) -> Any:
    """Write the made stack with other grey values, as a STAR file of its own."""
    from napari_cryoorient.io.star import read_particles

    particles, _ = read_particles(made.star)
    images = scale * particles.images.read(np.arange(len(particles))) + offset
    path = made.star.with_name(f"{name}.mrcs")
    with StackWriter(path, len(images), images.shape[-1], particles.pixel_size_angstrom) as writer:
        writer.append(images.astype(np.float32))
    star = made.star.with_name(f"{name}.star")
    star.write_text(made.star.read_text().replace("@particles.mrcs", f"@{name}.mrcs"))
    return star


@pytest.mark.parametrize(
    ("scale", "offset"),
    [pytest.param(-300.0, 5000.0, id="dark"), pytest.param(0.01, -3.0, id="faint")],
)
def test_grey_levels_and_zoom_follow_the_stack(open_dock, qtbot, made: Stack, scale, offset):
    other = write_stack(made, f"other{scale:g}", scale, offset)
    dock = open_dock()
    load(dock, qtbot, made.star, made.map)
    camera = camera_of(dock.workspace.particles.model)
    usual = camera.zoom
    camera.zoom = 20 * usual
    for map_path in (None, made.map):  # the stack before the map, and with it
        load(dock, qtbot, other, map_path)
        qtbot.waitUntil(lambda: not dock.jobs.busy, timeout=WAIT_MS)
        picture = canvas_of(dock, qtbot)
        half = picture[:, : picture.shape[1] // len(dock.session.inspection.pictures)]
        inside = half[half > 0]
        assert 0.2 < inside.mean() < 0.8
        assert inside.std() > 0.1
        assert camera.zoom < 3 * usual
        assert particle_on(picture, dock) == dock.session.particle


def test_noise_is_shown_through_a_filter_that_one_click_takes_off(open_dock, qtbot, made: Stack):
    dock = open_dock()
    load(dock, qtbot, made.star, made.map)
    dock.session.set_low_pass(20.0)
    button = dock.workspace.particles.low_pass_button
    assert button.isChecked()
    assert "20 Å" in button.text()
    filtered = canvas_of(dock, qtbot)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert dock.session.low_pass_angstrom is None
    plain = canvas_of(dock, qtbot)
    half = np.s_[:, : plain.shape[1] // 2]

    def detail(picture: Images) -> float:
        return float(np.abs(np.diff(picture[half], axis=1)).mean())

    assert detail(plain) > 1.2 * detail(filtered)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert dock.session.low_pass_angstrom == 20.0


def test_what_the_filter_drops_is_not_drawn_on_the_sphere(open_dock, qtbot, made: Stack):
    dock = open_dock()
    load(dock, qtbot, made.star, made.map)
    session = dock.session
    session.set_correlations(np.linspace(0.0, 1.0, len(session.inspection)))
    directions = dock.tabs.show_tab("Directions")

    def coloured() -> float:
        qtbot.wait(1200)
        pixels = np.asarray(directions.qt_viewer.screenshot(flash=False))[..., :3].astype(int)
        return float((np.ptp(pixels, axis=-1) > 60).mean())

    everything = coloured()
    session.set_selection("correlation", 0.9)
    n_kept = len(session.selected())
    qtbot.waitUntil(lambda: len(directions.sphere.points.data) == n_kept, timeout=WAIT_MS)
    assert 0 < coloured() < 0.4 * everything
    table = dock.tabs.show_tab("Table")
    qtbot.waitUntil(lambda: table.model.rowCount() == n_kept, timeout=WAIT_MS)
    qtbot.mouseClick(dock.workspace.particles.reject_button, Qt.MouseButton.LeftButton)
    session.set_particle(int(session.selected()[0]))
    qtbot.mouseClick(dock.workspace.particles.reject_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: table.model.rowCount() == n_kept - 1, timeout=WAIT_MS)
    dock.controller.marking.undo()
    dock.controller.marking.undo()


def test_a_file_that_failed_leaves_its_field_marked_and_training_off(
    open_dock, qtbot, made: Stack, tmp_path
):
    dock = open_dock()
    load(dock, qtbot, made.star, made.map)
    assert dock.train_section.train_button.isEnabled()
    bad = tmp_path / "not_a_map.mrc"
    bad.write_bytes(b"nothing of the kind" * 100)
    row = dock.data_section.map_row
    row.edit.setFocus()
    row.edit.setText(str(bad))
    qtbot.keyClick(row.edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: row.is_marked and not dock.jobs.busy, timeout=WAIT_MS)
    assert row.problem.isVisible()
    assert len(row.problem.text()) > 20
    assert row.path() == bad
    assert not dock.train_section.train_button.isEnabled()
    assert "map could not be loaded" in dock.train_section.train_button.toolTip()
    assert not dock.train_section.copy_button.isEnabled()
    assert [label for label, _ in dock.data_section.facts.rows()].count("Map") == 0
    load(dock, qtbot, made.star, made.map)
    assert not row.is_marked
    assert not row.problem.isVisible()
    assert dock.train_section.train_button.isEnabled()


def wheel_over(widget: QWidget) -> None:
    """Turn the wheel over the middle of a widget, as the window system tells it."""
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(widget.mapToGlobal(widget.rect().center())),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def value_of(widget: QWidget) -> Any:
    return widget.currentIndex() if isinstance(widget, QComboBox) else widget.value()


def is_napari_s(widget: QWidget) -> bool:
    """Tell whether a widget is one of the sliders napari makes for a canvas, hidden here."""
    parent = widget.parentWidget()
    return isinstance(widget, QtViewer) or (parent is not None and is_napari_s(parent))


def test_the_wheel_edits_nothing_that_has_no_focus(open_dock, qtbot, made: Stack, monkeypatch):
    dock = open_dock()
    load(dock, qtbot, made.star, made.map)
    qtbot.waitUntil(lambda: not dock.controller.correlations.is_going, timeout=WAIT_MS)
    dock.setFocus()
    seen = 0
    for root in (dock, dock.workspace):
        for kind in (QComboBox, QAbstractSlider, QAbstractSpinBox):
            for widget in root.findChildren(kind):
                if isinstance(widget, QScrollBar) or widget.hasFocus() or is_napari_s(widget):
                    continue
                before = value_of(widget)
                wheel_over(widget)
                assert value_of(widget) == before, widget.accessibleName()
                seen += 1
    assert seen > 8
    dock.show_step("3 Inspect")
    spin = dock.inspect_section.particle
    monkeypatch.setattr(spin, "hasFocus", lambda: True)  # no window manager here gives any focus
    wheel_over(spin)
    assert spin.value() == 2


def test_images_never_appear_a_pixel_large_when_a_view_is_added(open_dock, qtbot, made: Stack):
    dock = open_dock()
    load(dock, qtbot, made.star, made.map)
    canvas = dock.workspace.particles.qt_viewer.canvas
    poses = dock.session.inspection.true_poses
    found = Predictions(made.star, poses, None, None, None)
    dock.session.set_predictions(found)  # three views take the place of two
    assert len(canvas.grid_views) == 3
    for view in canvas.grid_views:  # nothing has been painted on the screen in between
        assert min(view.rect.size) > 50
        assert min(view.camera.rect.size) > 50
