"""Where docks stand in their window and how large they are, as plain values to be remembered."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QWidget

_AREAS = {
    "left": Qt.DockWidgetArea.LeftDockWidgetArea,
    "right": Qt.DockWidgetArea.RightDockWidgetArea,
    "top": Qt.DockWidgetArea.TopDockWidgetArea,
    "bottom": Qt.DockWidgetArea.BottomDockWidgetArea,
}
_LEAST = 50  # px; what is smaller was never meant


def dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock that a widget lives in, if it does."""
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parent()
    return parent


def entitle(widget: QWidget, title: str) -> None:
    """Name the dock of a widget; napari puts the plugin's name behind the widget's."""
    dock = dock_of(widget)
    if dock is None:
        return
    before = dock.windowTitle()
    dock.setWindowTitle(title)
    bar = dock.titleBarWidget()
    for label in [] if bar is None else bar.findChildren(QLabel):
        if label.text() == before:
            label.setText(title)


def place_of(widget: QWidget) -> dict[str, Any] | None:
    """Describe where the dock of a widget is, in pixels; None where it is in none."""
    dock = dock_of(widget)
    window = None if dock is None else dock.parent()
    if dock is None or not isinstance(window, QMainWindow):
        return None
    area = window.dockWidgetArea(dock)
    box = dock.geometry()
    return {
        "area": next((name for name, known in _AREAS.items() if known == area), None),
        "is_floating": dock.isFloating(),
        "box": [box.x(), box.y(), box.width(), box.height()],
    }


def put_back(widget: QWidget, place: Any) -> None:
    """Put the dock of a widget where it was; what makes no sense (any more) is left aside."""
    dock = dock_of(widget)
    window = None if dock is None else dock.parent()
    if dock is None or not isinstance(window, QMainWindow) or not is_place(place):
        return
    area = _AREAS.get(place["area"])
    if area is not None and area != window.dockWidgetArea(dock):
        window.addDockWidget(area, dock)
    x, y, width, height = place["box"]
    screen = window.screen()
    box = QRect(x, y, width, height)
    if place["is_floating"]:
        if screen is not None and screen.availableGeometry().contains(box.center()):
            dock.setFloating(True)
            dock.setGeometry(box)
        return
    is_beside = area in (_AREAS["left"], _AREAS["right"])
    size, way = (
        (width, Qt.Orientation.Horizontal) if is_beside else (height, Qt.Orientation.Vertical)
    )
    window.resizeDocks([dock], [size], way)


def is_place(value: Any) -> bool:
    """Tell whether a value read from a file describes a place."""
    if not isinstance(value, dict) or not {"area", "is_floating", "box"} <= set(value):
        return False
    box = value["box"]
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(number, int) for number in box)
        and min(box[2:]) >= _LEAST
    )
