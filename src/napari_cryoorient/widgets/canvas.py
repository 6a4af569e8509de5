"""A napari canvas of its own inside a tab: what curves, directions and the 3D map are drawn on."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.qt import QtViewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cryoorient.session.session import Session

# A redraw takes some 40 ms: a few a second at most.
REDRAW_MS = 300


class Canvas(QWidget):
    """A napari canvas without its lists and buttons, redrawn at most a few times a second."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.model = ViewerModel()
        self.qt_viewer: QtViewer | None = QtViewer(self.model)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(2, 2, 2, 2)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REDRAW_MS)
        self._timer.timeout.connect(self._redraw)

    def close_canvas(self) -> None:
        """Let go of the session and of OpenGL."""
        self._timer.stop()
        self._disconnect()
        if self.qt_viewer is not None:
            self.qt_viewer.close()
            self.qt_viewer.deleteLater()
            self.qt_viewer = None

    def _later(self, *_: Any) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _redraw(self) -> None:
        raise NotImplementedError

    def _disconnect(self) -> None:
        raise NotImplementedError
