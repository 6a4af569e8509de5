"""The whole story in a real window: load, train, move w, browse, filter, export, read again."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from napari_cryoorient.io.particle_table import particle_block
from napari_cryoorient.io.star import read_particles, read_star
from napari_cryoorient.session.follow import RunView

pytestmark = pytest.mark.window

# Generous: nothing is timed here, and CI may be slow.
WAIT_MS = 120_000


def open_dock(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("napari-cryoorient", "CryoOrient")
    qtbot.waitUntil(lambda: dock.panels is not None, timeout=WAIT_MS)
    return viewer, dock


def test_load_train_steer_browse_export(make_napari_viewer, qtbot, made, tmp_path):
    viewer, dock = open_dock(make_napari_viewer, qtbot)
    session = dock.session

    def until(condition):
        qtbot.waitUntil(condition, timeout=WAIT_MS)

    assert dock.data_section.welcome.isVisible()
    dock.data_section.map_row._choose(made.map)
    dock.data_section.star_row._choose(made.star)
    until(lambda: session.inspection.kind == "poses" and session.data.is_trainable)
    until(lambda: len(viewer.layers) == 2)

    session.change_settings(preset="paper", box=32, batch_size=2, weights="none", steps=1000)
    session.change_settings(device="cpu", precision="float32")
    dock.train_section.run_row._choose(tmp_path / "run")
    dock.train_section.train_button.click()
    until(lambda: session.inspection.kind == "preview")
    assert [layer.name for layer in viewer.layers] == ["input", "true pose", "predicted pose"]
    dock.train_section.w_slider.setValue(0.25)
    until(lambda: session.run.is_over or session.run.metrics[-1]["w"] == 0.25)
    assert not session.run.is_over
    curves = dock.panels.show_panel("Curves")
    until(lambda: len(curves.plot.lines.data) > 0)

    dock.train_section.stop_button.click()
    assert dock.train_section.stop_button.text() == "Stopping…"
    until(lambda: not session.is_training)
    assert session.run.state == "stopped"
    assert dock.train_section.resume_button.isEnabled()

    # A short run to its end.
    session.change_settings(steps=2)
    dock.train_section.run_row._choose(tmp_path / "short")
    dock.train_section.train_button.click()
    until(lambda: session.inspection.kind == "predictions")
    assert viewer.layers[0].data.shape[0] == len(session.data.particles)

    directions = dock.panels.show_panel("Directions")
    until(lambda: len(directions.sphere.points.data) == len(session.data.particles))
    viewer.dims.set_current_step(0, 5)
    assert session.particle == 5
    np.testing.assert_allclose(
        directions.sphere.current.data[0], 1.01 * directions.sphere.points.data[5]
    )
    dock.inspect_section.worse.click()
    until(lambda: bool(dock.inspect_section.facts.rows()))
    dock.inspect_section.filter.setChecked(True)
    n = len(session.selected())
    assert 0 < n < len(session.data.particles)
    assert viewer.screenshot(canvas_only=True, flash=False)[..., :3].std() > 0

    out = tmp_path / "selection.star"
    dock.controller.export(out, only_selected=True)
    until(out.is_file)
    until(lambda: dock.jobs.busy == "")
    before = particle_block(read_star(made.star)).table
    after = particle_block(read_star(out)).table
    assert len(after) == n
    assert set(before.columns) <= set(after.columns)
    assert read_particles(out, project_dir=made.star.parent)[0].poses is not None


def test_closing_on_a_run_asks_and_takes_no_for_an_answer(make_napari_viewer, qtbot, tmp_path):
    _, dock = open_dock(make_napari_viewer, qtbot)
    asked = []
    dock._ask_before_closing = lambda: asked.append(True)  # None: no, do not close
    window = dock.window()
    dock.session.set_run(RunView(tmp_path, "running"))
    window.close()
    assert asked == [True]
    assert window.isVisible()
    assert len(dock.session.inspection_changed) > 0  # all is as before
    dock.session.set_run(RunView(tmp_path, "stopped"))


def test_opening_the_dock_costs_no_torch(make_napari_viewer, qtbot):
    had_torch = "torch" in sys.modules
    open_dock(make_napari_viewer, qtbot)
    assert ("torch" in sys.modules) == had_torch
