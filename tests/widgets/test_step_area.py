"""A step that scrolls: its last button stays in sight when a message takes room below it."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cryoorient.widgets.step_area import StepArea


@pytest.mark.parametrize("is_at_end", [True, False], ids=["at the end", "further up"])
def test_the_end_stays_in_sight_where_it_was(qtbot: Any, is_at_end: bool) -> None:
    step, message = QWidget(), QLabel("A message.")
    inside = QVBoxLayout(step)
    last = QPushButton("Search")
    for widget in (*(QPushButton(f"{i}") for i in range(20)), last):
        widget.setFixedHeight(30)
        inside.addWidget(widget)
    message.setFixedHeight(60)
    message.hide()
    area, panel = StepArea(step), QWidget()
    column = QVBoxLayout(panel)
    column.addWidget(area, 1)
    column.addWidget(message)
    qtbot.addWidget(panel)
    panel.resize(300, 400)
    panel.show()
    bar = area.verticalScrollBar()
    bar.setValue(bar.maximum() if is_at_end else 40)
    message.show()
    qtbot.wait(50)
    assert area.viewport().height() < 350
    is_seen = area.viewport().rect().contains(last.geometry().translated(0, -bar.value()))
    assert is_seen == is_at_end
    assert is_at_end or bar.value() == 40
