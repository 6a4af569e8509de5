"""A line of text that is cut in the middle where there is no room, and whole in its tooltip."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QPaintEvent, QResizeEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget


class ElidedLabel(QLabel):
    """Keeps both ends of its text: a path's beginning and its name."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def setText(self, text: str | None) -> None:  # noqa: N802
        """Take a text; as much of it is shown as there is room for."""
        self._whole = text or ""
        self.setToolTip(self._whole)
        self.setAccessibleName(self._whole)
        self._elide()

    def whole_text(self) -> str:
        """Return the text, whatever is shown of it."""
        return self._whole

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Show as much as there is room for now."""
        super().resizeEvent(event)
        self._elide()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the text, fitted to the font of the day."""
        self._elide()
        super().paintEvent(event)

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(
            self._whole, Qt.TextElideMode.ElideMiddle, max(self.width() - 4, 0)
        )
        if shown != self.text():
            super().setText(shown)
