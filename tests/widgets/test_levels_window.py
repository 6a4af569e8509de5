"""Grey levels and colours of the pictures in a real window, by keys and pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_cryoorient.session.inspection import Predictions

from .conftest import WAIT_MS, Stack

pytestmark = pytest.mark.window


def cells(dock: Any, qtbot: Any) -> list[Any]:
    """Return the pictures as they are drawn, RGB, without the titles at their tops."""
    qtbot.wait(300)
    pixels = np.asarray(dock.workspace.particles.qt_viewer.screenshot(flash=False))[..., :3]
    n = len(dock.session.inspection.pictures)
    width = pixels.shape[1] // n
    found = []
    for i in range(n):
        cell = pixels[40:, i * width : (i + 1) * width].astype(float)
        found.append(cell)
    return found


def test_levels_and_colours_follow_their_controls(open_dock, qtbot, made: Stack):
    dock = open_dock()
    dock.window().resize(1366, 768)
    session, particles = dock.session, dock.workspace.particles
    dock.controller.load(made.star, made.map)
    qtbot.waitUntil(lambda: session.data.is_trainable and not dock.jobs.busy, timeout=WAIT_MS)
    assert not particles.levels.isVisible()
    qtbot.mouseClick(particles.levels_button, Qt.MouseButton.LeftButton)
    assert particles.levels.isVisible()
    image, projection = (cell.mean() for cell in cells(dock, qtbot))
    black, white = particles.levels.sliders["image"]
    black.setFocus()
    for _ in range(3):
        qtbot.keyClick(black, Qt.Key.Key_PageUp)
    darker, same = (cell.mean() for cell in cells(dock, qtbot))
    assert darker < 0.8 * image
    assert same == pytest.approx(projection, abs=1.0)
    session.set_particle(3)  # another particle of the same stack keeps them
    assert cells(dock, qtbot)[0].mean() < 0.85 * image
    for _ in range(40):  # black never comes to be white or beyond
        qtbot.keyClick(black, Qt.Key.Key_PageUp)
    levels = particles.display.triptych.levels("image")
    assert levels.black < levels.white

    qtbot.keyClicks(particles.levels.colours, "viridis")
    assert particles.levels.colours.currentText() == "viridis"
    assert all(np.ptp(cell, axis=-1).mean() > 20 for cell in cells(dock, qtbot))
    qtbot.mouseClick(particles.fit_button, Qt.MouseButton.LeftButton)
    assert particles.display.triptych.levels("image").black == levels.low
    assert white.value() == black.value() + 100

    poses = session.inspection.true_poses
    session.set_predictions(Predictions(made.star, poses, None, None, None))
    assert all(np.ptp(cell, axis=-1).mean() > 20 for cell in cells(dock, qtbot))
    assert len(session.inspection.pictures) == 3
    particles.levels.sliders["projections"][1].setValue(105)
    true, predicted = (particles.display.triptych.layers()[r] for r in ("true", "predicted"))
    assert true.contrast_limits == predicted.contrast_limits
    particles.levels.colours.setCurrentText("gray")
