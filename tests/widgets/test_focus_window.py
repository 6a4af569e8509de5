"""Keys and focus in a real window: they follow a click, and a ring shows where they go."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_cryoorient.widgets.focus_ring import ON_BRIGHT, ON_DARK, WIDTH

from .conftest import WAIT_MS, Stack

pytestmark = pytest.mark.window

STEPS = ("1 Data", "2 Train", "3 Inspect", "4 Export")


@pytest.fixture
def loaded(open_dock, qtbot, made: Stack) -> Any:
    dock = open_dock()
    dock.window().resize(1366, 768)
    dock.window().activateWindow()
    dock.controller.load(made.star, made.map)
    qtbot.waitUntil(lambda: dock.session.data.is_trainable and not dock.jobs.busy, timeout=WAIT_MS)
    dock.session.set_correlations(np.linspace(0.0, 1.0, len(dock.session.inspection)))
    return dock


def ring_around(dock: Any, widget: QWidget, colour: str) -> float:
    """Return which part of a widget's outline has the ring's colour, as it is on the screen."""
    window = dock.window()
    outline = QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())
    seen = outline.adjusted(-4, -4, 4, 4) & window.rect()
    pixels = window.grab(seen).toImage()
    wanted = QColor(colour)
    left, top = outline.x() - seen.x(), outline.y() - seen.y()
    right, bottom = left + widget.width(), top + widget.height()

    def is_lit(x: int, y: int) -> bool:
        for dx in range(-4, 5):
            for dy in range(-4, 5):
                if pixels.valid(x + dx, y + dy):
                    found = pixels.pixelColor(x + dx, y + dy)
                    apart = (
                        abs(found.red() - wanted.red())
                        + abs(found.green() - wanted.green())
                        + abs(found.blue() - wanted.blue())
                    )
                    if apart < 40:
                        return True
        return False

    xs = np.linspace(left + 2, right - 3, 9).astype(int)
    ys = np.linspace(top + 2, bottom - 3, 5).astype(int)
    places = [(x, y) for x in xs for y in (top, bottom - 1)]
    places += [(x, y) for y in ys for x in (left, right - 1)]
    return float(np.mean([is_lit(int(x), int(y)) for x, y in places]))


def stops_of(dock: Any, qtbot: Any, first: QWidget, inside: QWidget) -> list[QWidget]:
    """Press Tab until the focus leaves; return where it stopped."""
    first.setFocus(Qt.FocusReason.TabFocusReason)
    found: list[QWidget] = []
    while True:
        widget = QApplication.focusWidget()
        if widget is None or widget in found or not inside.isAncestorOf(widget):
            return found
        found.append(widget)
        qtbot.keyClick(widget, Qt.Key.Key_Tab)


def test_every_control_shows_that_it_has_the_focus(loaded, qtbot):
    loaded.controller.marking.mark("reject")
    for theme, colour in (("dark", ON_DARK), ("light", ON_BRIGHT)):
        loaded.viewer.theme = theme
        every_control_has_its_ring(loaded, qtbot, colour)
    loaded.controller.marking.undo()


def every_control_has_its_ring(dock: Any, qtbot: Any, colour: str) -> None:
    for title in STEPS:
        dock.show_step(title)
        qtbot.wait(200)
        page = dock.step_bar.currentWidget()
        stops = stops_of(dock, qtbot, _first_stop(dock.steps[title]), page)
        assert len(stops) >= 3, title
        for widget in stops:
            widget.setFocus(Qt.FocusReason.TabFocusReason)
            page.ensureWidgetVisible(widget)
            qtbot.wait(20)
            assert ring_around(dock, widget, colour) > 0.9, (title, widget, widget.accessibleName())
    particles = dock.workspace.particles
    for widget in (
        particles.slider,
        particles.keep_button,
        particles.reject_button,
        particles.low_pass_button,
        particles.fit_button,
    ):
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        qtbot.wait(20)
        assert ring_around(dock, widget, colour) > 0.9, widget.accessibleName()
    dock.show_step("2 Train")  # the control that had the ring is hidden
    qtbot.wait(50)


def _first_stop(step: QWidget) -> QWidget:
    from napari_cryoorient.widgets.tab_order import order_tabs

    return next(widget for widget in order_tabs(step) if widget.isEnabled() and widget.isVisible())


def test_tab_goes_down_each_step_as_the_eye_does(loaded, qtbot):
    dock = loaded
    for title in STEPS:
        dock.show_step(title)
        qtbot.wait(100)
        page = dock.step_bar.currentWidget()
        stops = stops_of(dock, qtbot, _first_stop(dock.steps[title]), page)
        places = [widget.mapTo(page.widget(), widget.rect().center()) for widget in stops]
        for before, after in pairwise(places):
            is_below = after.y() > before.y() + 8
            is_beside = abs(after.y() - before.y()) <= 12 and after.x() > before.x()
            assert is_below or is_beside, (title, before, after)
        assert WIDTH >= 2


def test_keys_follow_a_click_anywhere_in_panel_and_plots(loaded, qtbot):
    session = loaded.session
    for where in ("a tab", "a label", "the image", "the sphere", "the table"):
        loaded.show_step("3 Inspect")
        loaded.tabs.show_tab("Table")
        qtbot.wait(400)
        loaded.window().setFocus()
        click(loaded, qtbot, where)
        focus = QApplication.focusWidget()
        assert focus is not None, where
        before = session.particle
        qtbot.keyClick(focus, Qt.Key.Key_N)
        qtbot.waitUntil(lambda after=before + 1: session.particle == after, timeout=3000)


def click(dock: Any, qtbot: Any, where: str) -> None:
    if where == "a tab":
        bar = dock.step_bar.tabBar()
        qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(1).center())
    elif where == "a label":
        label = next(x for x in dock.inspect_section.findChildren(QLabel) if x.isVisible())
        qtbot.mouseClick(label, Qt.MouseButton.LeftButton)
    elif where == "the table":
        view = dock.tabs.built["Table"].view
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(20, 5))
    else:
        canvas = dock.workspace.particles if where == "the image" else dock.tabs.built["Directions"]
        native = canvas.qt_viewer.canvas.native
        qtbot.mouseClick(native, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
