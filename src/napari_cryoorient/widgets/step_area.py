"""A step of the panel that scrolls; what stands at its end stays in sight when a message comes."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QScrollArea, QWidget


class StepArea(QScrollArea):
    """Scrolls up and down alone; keeps its end in sight where that was seen before."""

    def __init__(self, inside: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Scroll to the end where it was in sight, and the room below has gone to a message."""
        bar = self.verticalScrollBar()
        was_at_end = bar is not None and bar.value() >= bar.maximum()
        super().resizeEvent(event)
        if event is None or bar is None:
            return
        is_less = 0 < event.size().height() < event.oldSize().height()
        if was_at_end and is_less:
            bar.setValue(bar.maximum())
