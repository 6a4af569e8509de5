"""The Tab key goes down a form as the eye does, whatever the order its widgets were made in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QGridLayout, QLayout, QLayoutItem, QWidget


def order_tabs(root: QWidget) -> list[QWidget]:
    """Let Tab go through what is in a widget in the order of its layouts; return that order."""
    found = list(_in_order(root.layout()))
    for before, after in pairwise(found):
        QWidget.setTabOrder(before, after)
    return found


def _items(layout: QLayout | None) -> list[QLayoutItem]:
    """Return what is in a layout as the eye meets it: forms and grids row by row."""
    if layout is None:
        return []
    places = list(range(layout.count()))
    if isinstance(layout, QFormLayout):  # rows may have been put in between
        rows: dict[int, Any] = {i: layout.getItemPosition(i) for i in places}
        # PyQt6 returns row and role, PySide6 the same as a tuple; roles are label, field, both.
        places.sort(key=lambda i: (rows[i][0], _number(rows[i][1])))
    elif isinstance(layout, QGridLayout):
        cells: dict[int, Any] = {i: layout.getItemPosition(i) for i in places}
        places.sort(key=lambda i: cells[i][:2])
    return [item for item in map(layout.itemAt, places) if item is not None]


def _number(role: Any) -> int:
    return int(getattr(role, "value", role))


def _in_order(layout: QLayout | None) -> Iterator[QWidget]:
    for item in _items(layout):
        widget = item.widget()
        if widget is None:
            yield from _in_order(item.layout())
        elif widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            yield widget
        else:
            yield from _in_order(widget.layout())
