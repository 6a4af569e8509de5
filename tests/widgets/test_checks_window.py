"""Checks in the window: each a command, its sentence, its figures, its poses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.data import load_data
from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.napari_api import canvas_size_of
from napari_cryoorient.widgets.checks_panel import PICTURES, ChecksPanel

from .conftest import WAIT_MS, AtOnce, Stack, Told

pytestmark = pytest.mark.window


@pytest.fixture
def panel(qtbot: Any, made: Stack) -> Iterator[ChecksPanel]:
    controller = Controller(Session(), AtOnce(), Told())
    controller.show(load_data(made.star, made.map))
    panel = ChecksPanel(controller)
    qtbot.addWidget(panel)
    panel.resize(500, 400)
    panel.show()
    qtbot.waitUntil(lambda: min(canvas_size_of(panel.model)) > 50, timeout=WAIT_MS)
    yield panel
    panel.close_canvas()
    assert len(controller.checks.changed) == 0


def start(qtbot: Any, panel: ChecksPanel, check: str) -> None:
    panel.check.setCurrentText(check)
    qtbot.mouseClick(panel.start_button, Qt.MouseButton.LeftButton)


def test_the_null_test_is_said_and_drawn(qtbot: Any, panel: ChecksPanel) -> None:
    controller = panel._controller
    assert "is it this map" in panel.words.text()
    start(qtbot, panel, "Null test")
    result = controller.checks.result("Null test")
    assert result is not None
    assert panel.words.text() == result.sentence
    for picture in PICTURES:
        panel.picture.setCurrentText(picture)
        has_lines = picture != "FSC of half-maps" or bool(result.figures["half_map_fsc"])
        qtbot.waitUntil(lambda n=3 * has_lines: len(panel.plot.lines.data) == n, timeout=WAIT_MS)
    # Other data have no result yet.
    controller.load(None, None)
    assert controller.checks.result("Null test") is None
    assert "is it this map" in panel.words.text()
    assert "1 Data" in panel.words.text()
    assert not panel.start_button.isEnabled()


def test_pixel_size_equivalents_and_hand(
    qtbot: Any, panel: ChecksPanel, made: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = panel._controller
    start(qtbot, panel, "Pixel size")
    assert "times as large as the map" in panel.words.text()
    panel.symmetry.setText("C2")
    start(qtbot, panel, "Pseudo-symmetry")
    assert "another equivalent pose" in panel.words.text()
    assert controller.session.inspection.source == "STAR, relaxed"
    assert controller.session.inspection.confidence is not None
    monkeypatch.setattr(
        "napari_cryoorient.widgets.checks_panel.QFileDialog.getOpenFileName",
        lambda *_: (str(made.star), ""),
    )
    panel.check.setCurrentText("Hand")
    qtbot.mouseClick(panel.untilted_button, Qt.MouseButton.LeftButton)
    assert panel.untilted_button.text() == Path(made.star).name
    panel.tilt.setText("30")
    panel.axis.setText("70")
    start(qtbot, panel, "Hand")
    assert "The hand cannot be told" in panel.words.text()  # they are the same images
    panel.symmetry.setText("Q9")
    start(qtbot, panel, "Pseudo-symmetry")
    assert any("Q9" in said for said in controller.checks._notify.errors)
