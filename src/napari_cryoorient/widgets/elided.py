"""A line of text that is cut where there is no room for it, and whole in its tooltip."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QFontMetrics, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget


def cut_path(text: str, metrics: QFontMetrics, room: int) -> str:
    """Cut a path so that its name stays whole where it fits; the folders give way first."""
    name = text.replace("\\", "/").rpartition("/")[2]
    folder = text[: len(text) - len(name)]
    beside = metrics.horizontalAdvance("…" + name)
    if not folder or metrics.horizontalAdvance(text) <= room or beside > room:
        return metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room)
    left = room - metrics.horizontalAdvance(name)
    return metrics.elidedText(folder, Qt.TextElideMode.ElideRight, left) + name


class ElidedLabel(QLabel):
    """Keeps both ends of its text, or the beginning of a sentence."""

    def __init__(
        self, text: str = "", parent: QWidget | None = None, *, is_sentence: bool = False
    ) -> None:
        super().__init__(parent)
        self._whole = ""
        right, middle = Qt.TextElideMode.ElideRight, Qt.TextElideMode.ElideMiddle
        self._mode = right if is_sentence else middle
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
        shown = self.fontMetrics().elidedText(self._whole, self._mode, max(self.width() - 4, 0))
        if shown != self.text():
            super().setText(shown)
