"""Text with a place of its own: what stands below does not move when words come and go."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QLabel

MARGIN = 10  # px, with what napari's theme puts around text


class SteadyLabel(QLabel):
    """Keeps room for some lines of text; more of it is in the tooltip."""

    def __init__(self, n_lines: int) -> None:
        super().__init__()
        self._n_lines = n_lines
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._reserve_height()

    def setText(self, text: str | None) -> None:  # noqa: N802
        """Show a text; its tooltip has the whole of it."""
        super().setText(text)
        self.setToolTip(text)
        self._reserve_height()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Measure the font once more: the theme has set it by now."""
        super().showEvent(event)
        self._reserve_height()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Follow the font."""
        super().changeEvent(event)
        if event is not None and event.type() in (
            QEvent.Type.FontChange,
            QEvent.Type.StyleChange,
        ):
            self._reserve_height()

    def _reserve_height(self) -> None:
        self.setFixedHeight(self._n_lines * self.fontMetrics().lineSpacing() + MARGIN)
