"""Text with a place of its own: what stands below does not move when words come and go."""

from __future__ import annotations

from qtpy.QtCore import Qt
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
        self._take_place()

    def setText(self, text: str | None) -> None:  # noqa: N802
        """Show a text; its tooltip has the whole of it."""
        super().setText(text)
        self.setToolTip(text)
        self._take_place()

    def _take_place(self) -> None:
        self.setFixedHeight(self._n_lines * self.fontMetrics().lineSpacing() + MARGIN)
