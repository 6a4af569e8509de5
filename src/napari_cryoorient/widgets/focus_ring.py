"""A ring around the control that has the keyboard's focus; napari's themes show none."""

from __future__ import annotations

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QColor, QFocusEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QFocusFrame, QLineEdit, QScrollArea, QWidget

# Bright on dark, dark on bright: more than 4 to 1 against napari's themes.
ON_DARK, ON_BRIGHT = "#6cb8ff", "#0b57c2"
WIDTH = 2
# Focus that came by the mouse is where the mouse is; only what is typed into shows it then too.
BY_KEYBOARD = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)


class FocusFrame(QFocusFrame):
    """A rectangle in the colour that the theme asks for."""

    colour = ON_DARK

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Draw it just inside the frame's edge."""
        painter = QPainter(self)
        pen = QPen(QColor(self.colour))
        pen.setWidth(WIDTH)
        painter.setPen(pen)
        painter.drawRect(self.rect().adjusted(1, 1, -WIDTH, -WIDTH))
        painter.end()


class FocusRing(QObject):
    """Puts the frame around whatever the Tab key goes to inside the widgets it watches."""

    def __init__(self, owner: QWidget) -> None:
        super().__init__(owner)
        self.frame = FocusFrame(owner)
        self.frame.hide()

    def watch(self, root: QWidget) -> None:
        """Watch every control inside ``root``; calling it again takes in new ones."""
        for widget in (root, *root.findChildren(QWidget)):
            is_stop = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
            if is_stop and not isinstance(widget, QScrollArea):
                widget.installEventFilter(self)  # once, however often it is called

    def set_theme(self, name: str) -> None:
        """Take the colour that is seen on a theme."""
        red, green, blue = get_theme(name).background.as_rgb_tuple()[:3]
        is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 128
        self.frame.colour = ON_DARK if is_dark else ON_BRIGHT
        self.frame.update()

    def close_ring(self) -> None:
        """Leave the window without a frame."""
        self.frame.setWidget(None)
        self.frame.hide()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Follow the focus."""
        if not isinstance(watched, QWidget) or event is None:
            return False
        if event.type() == QEvent.Type.FocusIn and isinstance(event, QFocusEvent):
            is_shown = event.reason() in BY_KEYBOARD or isinstance(watched, QLineEdit)
            self.frame.setWidget(watched if is_shown else None)
            self.frame.setVisible(is_shown)
        elif event.type() == QEvent.Type.FocusOut and self.frame.widget() is watched:
            self.frame.setWidget(None)
            self.frame.hide()
        return False
