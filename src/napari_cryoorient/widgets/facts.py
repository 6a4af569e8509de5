"""Labels and values in two columns, rebuilt for each set of rows."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from napari_cryoorient.widgets.elided import ElidedLabel


class Facts(QWidget):
    """Two columns of text; the values can be selected and copied.

    Values are wrapped, or cut in the middle where every row is to have one line.
    """

    def __init__(self, parent: QWidget | None = None, *, is_wrapped: bool = True) -> None:
        super().__init__(parent)
        self._is_wrapped = is_wrapped
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setVerticalSpacing(2)
        self._layout.setColumnStretch(1, 1)
        self._labels: list[tuple[QLabel, QLabel]] = []

    def show_rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show rows of label and value."""
        while len(self._labels) < len(rows):
            self._add_row()
        for i, (label, value) in enumerate(self._labels):
            is_used = i < len(rows)
            if is_used:
                label.setText(rows[i][0])
                value.setText(rows[i][1])
                value.setToolTip(rows[i][1])
            label.setVisible(is_used)
            value.setVisible(is_used)
        self.setVisible(bool(rows))

    def rows(self) -> list[tuple[str, str]]:
        """Return the rows shown."""
        return [
            (label.text(), value.whole_text() if isinstance(value, ElidedLabel) else value.text())
            for label, value in self._labels
            if not label.isHidden()
        ]

    def _add_row(self) -> None:
        label, value = QLabel(), QLabel() if self._is_wrapped else ElidedLabel()
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        if self._is_wrapped:
            value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            value.setWordWrap(True)
        value.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        value.setIndent(0)  # which is at the top, too, for what is aligned there
        row = len(self._labels)
        self._layout.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
        self._layout.addWidget(value, row, 1)
        self._labels.append((label, value))
