"""The wheel scrolls the panel; it never edits a control that has no focus."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QScrollBar, QWidget

EDITED_BY_WHEEL = (QComboBox, QAbstractSlider, QAbstractSpinBox)


class WheelGuard(QObject):
    """Hands the wheel on to what scrolls, unless the control under it has the focus."""

    def watch(self, root: QWidget) -> None:
        """Guard every control inside ``root``; calling it again takes in new ones."""
        for kind in EDITED_BY_WHEEL:
            for widget in root.findChildren(kind):
                if isinstance(widget, QScrollBar):
                    continue
                widget.installEventFilter(self)  # once, however often it is called
                if widget.focusPolicy() == Qt.FocusPolicy.WheelFocus:
                    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Leave a wheel event over an unfocused control to the widgets around it."""
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        if isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False
