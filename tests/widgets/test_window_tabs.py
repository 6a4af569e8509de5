"""Tabs with canvases of their own, in a real window: clicks, redraws, and nothing left behind."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.particles import Poses
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.inspection import Inspection
from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.napari_api import canvas_size_of
from napari_cryoorient.widgets.curves_tab import CurvesTab
from napari_cryoorient.widgets.particle_tabs import DirectionsTab
from napari_cryoorient.widgets.shells_tab import ShellsTab
from napari_cryoorient.widgets.sweep_tab import SweepTab

from .conftest import AtOnce, Told

pytestmark = pytest.mark.window
WAIT_MS = 60_000


@pytest.fixture
def runs(tmp_path):
    paths = []
    for w, value in ((0.1, 0.9), (0.4, 0.3), (0.8, 0.6)):
        folder = tmp_path / "runs" / f"w{w:.2f}"
        folder.mkdir(parents=True)
        lines = [{"step": s, "w": w, "test_relative_rmse": value + 1 / s} for s in (1, 10, 100)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
        (folder / "run.json").write_text(json.dumps({"state": "finished", "phase": "over"}))
        paths.append(folder)
    return paths


@pytest.fixture
def controller():
    return Controller(Session(), AtOnce(), Told())


def click(tab, place):
    """Press and release the mouse without a move between, as napari tells its callbacks."""
    event = SimpleNamespace(type="mouse_press", position=tuple(place))
    callback = tab.model.mouse_drag_callbacks[-1]  # after napari's own
    for _ in callback(tab.model, event):
        event.type = "mouse_release"


def opened(qtbot, tab):
    qtbot.addWidget(tab)
    tab.resize(640, 260)
    tab.show()
    qtbot.waitUntil(lambda: min(canvas_size_of(tab.model)) > 50, timeout=WAIT_MS)
    return tab


def test_a_click_on_a_curve_opens_its_run_and_keeps_the_others(qtbot, controller, runs):
    tab = opened(qtbot, CurvesTab(controller))
    controller.open_run(runs[0])
    assert controller._jobs.look_until(lambda: controller.session.run is not None)
    qtbot.waitUntil(tab.neighbours_action.isEnabled, timeout=WAIT_MS)
    tab.neighbours_action.trigger()
    qtbot.waitUntil(lambda: len(tab.plot._drawn) == 3, timeout=WAIT_MS)
    part = next(part for path, part in tab.plot._drawn if path == runs[2])
    click(tab, part.mean(0) if len(part) == 2 else part[1])
    controller._jobs.look_until(lambda: controller.session.run is not None)
    assert controller.session.run.path == runs[2]
    assert {run.path for run in controller.session.shown_runs()} == set(runs)
    tab.clear_action.trigger()
    qtbot.waitUntil(lambda: len(tab.plot._drawn) == 1, timeout=WAIT_MS)
    tab.close_canvas()
    assert len(controller.session.compared_changed) == 0


def test_a_sweep_rings_its_best_and_opens_what_is_clicked_on(qtbot, controller, runs):
    tab = opened(qtbot, SweepTab(controller))
    controller.comparison.add(runs[0].parent)
    qtbot.waitUntil(lambda: len(tab.plot.markers.data) == 3, timeout=WAIT_MS)
    np.testing.assert_allclose(tab.plot.rings.data, tab.plot.markers.data[1:2])
    assert "best w 0.40" in tab.plot.labels.features["label"].tolist()
    click(tab, tab.plot.markers.data[0])
    controller._jobs.look_until(lambda: controller.session.run is not None)
    assert controller.session.run.path == runs[0]
    assert not tab.start_button.isEnabled()  # nothing is loaded
    picture = np.asarray(tab.qt_viewer.screenshot(flash=False))
    assert picture[..., :3].std() > 1  # something is drawn
    tab.close_canvas()
    assert len(controller.session.run_changed) == 0
    assert len(controller.pose_jobs.changed) == 0


def test_shells_are_drawn_with_their_resolutions(qtbot, controller, tmp_path):
    tab = opened(qtbot, ShellsTab(controller))
    assert not tab.clear_button.isEnabled()
    frequencies = np.linspace(0, 0.2, 41)
    curve = {"frequencies_per_angstrom": frequencies.tolist()}
    curve["fsc"] = (1 - frequencies / 0.217).tolist()
    (tmp_path / "line.json").write_text(json.dumps(curve))
    controller.shells.open(tmp_path / "line.json")
    qtbot.waitUntil(lambda: len(tab.plot.lines.data) == 1, timeout=WAIT_MS)
    assert tab.words.text() == "line: 0.5: 9.2 Å, 0.143: 5.4 Å"
    words = tab.plot.labels.features["label"].tolist()
    assert {"0.5", "0.143", "resolution (Å)", "30"} <= set(words)
    tab.clear_button.click()
    qtbot.waitUntil(lambda: len(tab.plot.lines.data) == 0, timeout=WAIT_MS)
    tab.close_canvas()
    assert len(controller.shells.changed) == 0


@pytest.mark.parametrize("n", [300, 40_000])
def test_points_of_the_sphere_have_their_colours_however_many_they_are(qtbot, controller, n):
    """napari draws a point that it makes larger as its border, which is grey."""
    tab = opened(qtbot, DirectionsTab(controller.session))
    turns = random_rotations(n, torch.Generator().manual_seed(0)).double().numpy()
    poses = Poses(turns, np.zeros((n, 2)))
    errors = np.linspace(0, 40, n)
    shown = Inspection("predictions", np.arange(n), (), poses, poses, errors, None, None)
    tab.sphere.show(shown, "angular error")
    picture = np.asarray(tab.qt_viewer.screenshot(flash=False))[..., :3].astype(int)
    seen = picture.max(2) > 60
    assert seen.mean() > 0.02
    coloured = picture.max(2) - picture.min(2) > 50
    assert (coloured & seen).sum() > 0.5 * seen.sum()
