"""A napari canvas of its own inside a tab: what curves, directions and the 3D map are drawn on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.qt import QtViewer
from qtpy.QtCore import QCoreApplication, QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QKeyEvent, QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.napari_api import muted_shortcuts

# Redrawing takes 50 ms and more, and goes on for as long as a run reports: it must take no
# more than this share of the window's time, and wait at least so long for more news.
REDRAW_SHARE, REDRAW_MS, MOST_MS = 0.05, 150, 4000
# Marking the current particle takes some 15 ms, which scrolling must not wait for at every step.
MARK_MS = 200


class KeyGuard(QObject):
    """Leaves napari's own keys without effect on a canvas whose layers are not the user's.

    They would delete layers, turn axes or go to 3D, and the picture would no longer be what is
    said of it. The plugin's keys are shortcuts of Qt, which come first.
    """

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802, ARG002
        """Let the keys through that move the focus."""
        if not isinstance(event, QKeyEvent) or event.type() not in _KEYS:
            return False
        return event.key() not in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab)


_KEYS = (QEvent.Type.KeyPress, QEvent.Type.KeyRelease)


class Canvas(QWidget):
    """A napari canvas without its lists and buttons, redrawn as often as the window can afford.

    Behind another tab it waits with that until it is looked at.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.model = ViewerModel()
        self.model.theme = "dark"  # what is drawn is bright on dark, whatever napari's theme
        with muted_shortcuts():
            self.qt_viewer: QtViewer | None = QtViewer(self.model)
        self.qt_viewer.setAcceptDrops(False)  # it holds no layers but its own
        self._keys = KeyGuard(self)
        for widget in (self.qt_viewer, self.qt_viewer.canvas.native):
            widget.installEventFilter(self._keys)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(2, 2, 2, 2)
        self._timer = self._single_shot(REDRAW_MS, self._on_time)
        self._mark_timer = self._single_shot(MARK_MS, self._on_mark_time)
        self._is_stale = False
        self._redraw_s, self._redrawn_at = 0.0, 0.0  # what the last redraw took, and when it was

    def close_canvas(self) -> None:
        """Let go of the session and of OpenGL."""
        self._timer.stop()
        self._mark_timer.stop()
        self._disconnect()
        if self.qt_viewer is not None:
            self.qt_viewer.close()
            self.qt_viewer.deleteLater()
            # Now: PySide6 keeps what waits for an event loop that may have ended.
            QCoreApplication.sendPostedEvents(self.qt_viewer, QEvent.Type.DeferredDelete)
            self.qt_viewer = None

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Catch up with what has changed while nobody looked."""
        super().showEvent(event)
        if self._is_stale and self.qt_viewer is not None:
            self._timer.start(0)

    def _later(self, *_: Any) -> None:
        """Redraw everything soon."""
        if not self._timer.isActive():
            pause_s = self._redraw_s / REDRAW_SHARE - (time.monotonic() - self._redrawn_at)
            self._timer.start(min(max(round(1000 * pause_s), REDRAW_MS), MOST_MS))

    def _mark_later(self, *_: Any) -> None:
        """Mark the current particle, soon."""
        if not self._mark_timer.isActive():
            self._mark_timer.start()

    def _on_time(self) -> None:
        self._is_stale = not self.isVisible()
        if not self._is_stale:
            began = time.thread_time()
            self._redraw()
            self._redraw_s, self._redrawn_at = time.thread_time() - began, time.monotonic()

    def _on_mark_time(self) -> None:
        self._is_stale = self._is_stale or not self.isVisible()
        if self.isVisible():
            self._mark()

    def _single_shot(self, milliseconds: int, function: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(function)
        return timer

    def _redraw(self) -> None:
        raise NotImplementedError

    def _mark(self) -> None:
        """Mark the current particle; nothing to do where none is shown."""

    def _disconnect(self) -> None:
        raise NotImplementedError
