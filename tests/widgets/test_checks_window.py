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
from napari_cryoorient.widgets.checks_tab import PICTURES, ChecksTab

from .conftest import WAIT_MS, AtOnce, Stack, Told

pytestmark = pytest.mark.window


@pytest.fixture
def tab(qtbot: Any, made: Stack) -> Iterator[ChecksTab]:
    controller = Controller(Session(), AtOnce(), Told())
    controller.show(load_data(made.star, made.map))
    tab = ChecksTab(controller)
    qtbot.addWidget(tab)
    tab.resize(500, 400)
    tab.show()
    qtbot.waitUntil(lambda: min(canvas_size_of(tab.model)) > 50, timeout=WAIT_MS)
    yield tab
    tab.close_canvas()
    assert len(controller.checks.changed) == 0


def start(qtbot: Any, tab: ChecksTab, check: str) -> None:
    tab.check.setCurrentText(check)
    qtbot.mouseClick(tab.start_button, Qt.MouseButton.LeftButton)


def test_the_null_test_is_said_and_drawn(qtbot: Any, tab: ChecksTab) -> None:
    controller = tab._controller
    assert "is it this map" in tab.words.text()
    start(qtbot, tab, "Null test")
    result = controller.checks.result("Null test")
    assert result is not None
    assert tab.words.text() == result.sentence
    for picture in PICTURES:
        tab.picture.setCurrentText(picture)
        has_lines = picture != "FSC of half-maps" or bool(result.figures["half_map_fsc"])
        qtbot.waitUntil(lambda n=3 * has_lines: len(tab.plot.lines.data) == n, timeout=WAIT_MS)
    # Other data have no result yet.
    controller.load(None, None)
    assert controller.checks.result("Null test") is None
    assert "is it this map" in tab.words.text()
    assert "1 Data" in tab.words.text()
    assert not tab.start_button.isEnabled()


def test_pixel_size_equivalents_and_hand(
    qtbot: Any, tab: ChecksTab, made: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = tab._controller
    start(qtbot, tab, "Pixel size")
    assert "times as large as the map" in tab.words.text()
    tab.symmetry.setText("C2")
    start(qtbot, tab, "Pseudo-symmetry")
    assert "another equivalent pose" in tab.words.text()
    assert controller.session.inspection.source == "STAR, relaxed"
    assert controller.session.inspection.confidence is not None
    monkeypatch.setattr(
        "napari_cryoorient.widgets.checks_tab.QFileDialog.getOpenFileName",
        lambda *_: (str(made.star), ""),
    )
    tab.check.setCurrentText("Hand")
    qtbot.mouseClick(tab.untilted_button, Qt.MouseButton.LeftButton)
    assert tab.untilted_button.text() == Path(made.star).name
    tab.tilt.setText("30")
    tab.axis.setText("70")
    start(qtbot, tab, "Hand")
    assert "The hand cannot be told" in tab.words.text()  # they are the same images
    tab.symmetry.setText("Q9")
    start(qtbot, tab, "Pseudo-symmetry")
    assert any("Q9" in said for said in controller.checks._notify.errors)
