"""The report on views in the window: one command, its figures in words, its pictures, its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_cryoorient.geometry.healpix import centres
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.data import load_data
from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.napari_api import canvas_size_of
from napari_cryoorient.widgets.orientations_tab import OrientationsTab, mollweide

from .conftest import WAIT_MS, AtOnce, Stack, Told

pytestmark = pytest.mark.window


def test_mollweide_keeps_areas_and_the_equator() -> None:
    x, y = mollweide(centres(16))
    assert (x**2 / 4 + y**2).max() <= 1
    # As many pixels in each quarter of the ellipse's area, as each has the same area.
    inside = x**2 / 4 + y**2 < 0.25
    assert inside.mean() == pytest.approx(0.25, abs=0.01)
    along, across = mollweide(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]))
    np.testing.assert_allclose(along, [0, 1, 0], atol=1e-3)
    np.testing.assert_allclose(across, [0, 0, 1], atol=1e-3)


def test_the_report_is_told_drawn_and_saved(
    qtbot: Any, made: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = Controller(Session(), AtOnce(), Told())
    controller.show(load_data(made.star, made.map))
    tab = OrientationsTab(controller)
    qtbot.addWidget(tab)
    tab.resize(400, 300)
    tab.show()
    qtbot.waitUntil(lambda: min(canvas_size_of(tab.model)) > 50, timeout=WAIT_MS)
    assert not tab.page_button.isEnabled()
    qtbot.mouseClick(tab.compute_button, Qt.MouseButton.LeftButton)
    report = controller.orientations.report
    n = len(controller.session.inspection)
    assert report is not None
    assert report.view_counts.sum() == n
    assert f"{n} particles: SCF" in tab.words.text()
    assert "too few views" in tab.words.text()
    qtbot.waitUntil(lambda: len(tab.plot.markers.data) == 768, timeout=WAIT_MS)
    tab.picture.setCurrentText("Tilts")
    qtbot.waitUntil(lambda: len(tab.plot.markers.data) == 7, timeout=WAIT_MS)
    # What is left out does not count.
    controller.session.set_excluded(np.array([0, 1]))
    qtbot.mouseClick(tab.compute_button, Qt.MouseButton.LeftButton)
    assert f"{n - 2} particles kept: SCF" in tab.words.text()
    controller.session.set_excluded(np.zeros(0, dtype=np.int64))
    # The page, by the command once more, with half-maps this time.
    controller.orientations.half_maps = made.map, made.map
    target = tmp_path / "page.png"
    monkeypatch.setattr(
        "napari_cryoorient.widgets.orientations_tab.QFileDialog.getSaveFileName",
        lambda *_: (str(target), ""),
    )
    qtbot.mouseClick(tab.page_button, Qt.MouseButton.LeftButton)
    assert target.stat().st_size > 10_000
    assert "cFAR 1.00" in tab.words.text()
    tab.picture.setCurrentText("Half-maps")
    qtbot.waitUntil(lambda: len(tab.plot.lines.data) == 2, timeout=WAIT_MS)
    tab.close_canvas()
    assert len(controller.orientations.changed) == 0
