"""The confidence threshold on a slider: counts at once, resolutions after one command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_cryoorient.io.star import read_particles, read_star, write_poses
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.data import load_data
from napari_cryoorient.session.filter_curves import Resolutions
from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.napari_api import canvas_size_of
from napari_cryoorient.widgets.filter_tab import FilterTab

from .conftest import WAIT_MS, AtOnce, Stack, Told

pytestmark = pytest.mark.window


def test_resolutions_lie_between_those_reconstructed() -> None:
    found = Resolutions(
        np.array([100, 60, 20]), np.array([10.0, 8.0, np.nan]), np.array([12.0, 11.0, 9.0]), 0.5
    )
    assert found.at(80) == pytest.approx((9.0, 11.5))
    half_map, reference = found.at(40)
    assert np.isnan(half_map)
    assert reference == pytest.approx(10.0)


def test_the_slider_counts_and_the_command_tells_resolutions(
    qtbot: Any, made: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    particles, _ = read_particles(made.star)
    n = len(particles)
    confidence = np.linspace(0.2, 1.0, n)
    star = made.star.with_name("sure.star")
    write_poses(read_star(made.star), particles.poses, star, confidence=confidence)
    controller = Controller(Session(), AtOnce(), Told())
    controller.show(load_data(star, made.map))
    session = controller.session
    tab = FilterTab(controller)
    qtbot.addWidget(tab)
    tab.resize(640, 280)
    tab.show()
    qtbot.waitUntil(lambda: min(canvas_size_of(tab.model)) > 50, timeout=WAIT_MS)
    assert f"{n} of {n} particles kept" in tab.words.text()
    assert not tab.best_button.isEnabled()
    # One key of the slider's moves the threshold of the whole window.
    tab.slider.slider.setFocus()
    qtbot.keyClick(tab.slider.slider, Qt.Key.Key_PageUp)
    kept = np.round(confidence, 2) >= session.threshold
    assert 0 < (~kept).sum() < n
    np.testing.assert_array_equal(session.selection_mask(), kept)
    wrong = (1 - confidence[kept]).sum()
    assert f"{kept.sum()} of {n} particles kept, {wrong:.0f} of them" in tab.words.text()
    # The command, once.
    qtbot.mouseClick(tab.compute_button, Qt.MouseButton.LeftButton)
    assert controller.filter_curves.resolutions is not None
    assert "half-maps" in tab.words.text().lower()
    qtbot.waitUntil(lambda: len(tab.plot.lines.data) > 1, timeout=WAIT_MS)
    tab.slider.slider.setValue(0)
    assert session.threshold == pytest.approx(0.2)
    target = tmp_path / "kept.star"
    monkeypatch.setattr(
        "napari_cryoorient.widgets.filter_tab.QFileDialog.getSaveFileName",
        lambda *_: (str(target), ""),
    )
    session.set_selection("confidence", 0.6)
    qtbot.mouseClick(tab.export_button, Qt.MouseButton.LeftButton)
    assert (
        len(read_particles(target, project_dir=made.star.parent)[0])
        == (np.round(confidence, 2) >= 0.6).sum()
    )
    qtbot.mouseClick(tab.all_button, Qt.MouseButton.LeftButton)
    assert session.threshold is None
    tab.close_canvas()
    assert len(controller.filter_curves.changed) == 0
    star.unlink()
