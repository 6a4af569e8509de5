"""A ring around the control that has the keyboard's focus; napari's themes show none."""

from __future__ import annotations

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject, QPoint, Qt
from qtpy.QtGui import QColor, QFocusEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QLineEdit, QScrollArea, QSplitter, QWidget

# Bright on dark, dark on bright: more than 4 to 1 against napari's themes.
ON_DARK, ON_BRIGHT = "#6cb8ff", "#0b57c2"
WIDTH = 2
# Focus that came by the mouse is where the mouse is; only what is typed into shows it then too.
BY_KEYBOARD = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)
FOLLOWED = (QEvent.Type.Move, QEvent.Type.Resize, QEvent.Type.ZOrderChange)


class Ring(QWidget):
    """A rectangle over a control, which lies beside it and so is scrolled and cut as it is."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.colour = ON_DARK
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hide()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Draw it along the inner edge, where nothing cuts it off."""
        painter = QPainter(self)
        pen = QPen(QColor(self.colour))
        pen.setWidth(WIDTH)
        painter.setPen(pen)
        painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()


class FocusRing(QObject):
    """Puts a ring around whatever the Tab key goes to inside the widgets it watches."""

    def __init__(self, owner: QWidget) -> None:
        super().__init__(owner)
        self._owner = owner
        self.ring = Ring(owner)
        self._around: QWidget | None = None

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
        self.ring.colour = ON_DARK if is_dark else ON_BRIGHT
        self.ring.update()

    def close_ring(self) -> None:
        """Take the ring away."""
        self._around = None
        self.ring.hide()
        self.ring.setParent(self._owner)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Follow the focus."""
        if not isinstance(watched, QWidget) or event is None:
            return False
        kind = event.type()
        if kind == QEvent.Type.FocusIn and isinstance(event, QFocusEvent):
            if event.reason() in BY_KEYBOARD or isinstance(watched, QLineEdit):
                self._go_to(watched)
            else:
                self.close_ring()
        elif watched is self._around:
            if kind in FOLLOWED:
                self._lay()
            elif kind in (QEvent.Type.FocusOut, QEvent.Type.Hide):
                self.close_ring()
        return False

    def _go_to(self, widget: QWidget) -> None:
        self._around = widget
        self._lay()
        self.ring.show()

    def _lay(self) -> None:
        """Lay the ring over its control, in what holds that; a splitter would make room for it."""
        widget = self._around
        holder = None if widget is None else widget.parentWidget()
        while holder is not None and isinstance(holder, QSplitter):
            holder = holder.parentWidget()
        if widget is None or holder is None:
            return
        if self.ring.parentWidget() is not holder:
            self.ring.setParent(holder)
            self.ring.show()
        corner = widget.mapTo(holder, QPoint(0, 0))
        self.ring.setGeometry(corner.x(), corner.y(), widget.width(), widget.height())
        self.ring.raise_()
