"""The Tab key goes down a form as the eye does, whatever the order its widgets were made in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLayout, QWidget


def order_tabs(root: QWidget) -> list[QWidget]:
    """Let Tab go through what is in a widget in the order of its layouts; return that order."""
    found = list(_in_order(root.layout()))
    for before, after in pairwise(found):
        QWidget.setTabOrder(before, after)
    return found


def _in_order(layout: QLayout | None) -> Iterator[QWidget]:
    for index in range(0 if layout is None else layout.count()):
        item = None if layout is None else layout.itemAt(index)
        if item is None:
            continue
        widget = item.widget()
        if widget is None:
            yield from _in_order(item.layout())
        elif widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            yield widget
        else:
            yield from _in_order(widget.layout())
