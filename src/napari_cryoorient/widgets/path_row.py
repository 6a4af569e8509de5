"""A file or folder: typed, picked or dropped."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import (  # type: ignore[attr-defined]
    QAction,
    QDragEnterEvent,
    QDropEvent,
    QFocusEvent,
    QResizeEvent,
)
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QStyle,
    QToolButton,
    QWidget,
)

from napari_cryoorient.widgets.elided import cut_path


class PathEdit(QLineEdit):
    """Shows a path cut in the middle, and the whole of it while it is edited."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole, self._cut = "", ""

    def whole_text(self) -> str:
        """Return what was set or typed, whatever is shown of it."""
        return self._whole if self.text() == self._cut else self.text()

    def set_whole_text(self, text: str) -> None:
        """Show a path."""
        self._whole = text
        self._show(is_cut=not self.hasFocus())

    def focusInEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """Show the whole path to be edited."""
        self._whole = self.whole_text()
        self._show(is_cut=False)
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """Tell of the edit, then show what there is room for."""
        super().focusOutEvent(event)
        self._whole = self.whole_text()
        self._show(is_cut=True)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Show as much as there is room for now."""
        super().resizeEvent(event)
        if not self.hasFocus():
            self._whole = self.whole_text()
            self._show(is_cut=True)

    def _show(self, *, is_cut: bool) -> None:
        room = max(self.width() - 30, 20)
        cut = cut_path(self._whole, self.fontMetrics(), room)
        self._cut = cut if is_cut else self._whole
        self.setText(self._cut)
        self.setToolTip(self._whole)


class PathRow(QWidget):
    """Shows one path, and what is wrong with it; tells when the user has chosen another."""

    chosen = Signal(object)  # Path, or None when emptied

    def __init__(
        self,
        title: str,
        pattern: str = "",
        *,
        is_folder: bool = False,
        placeholder: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._title, self._pattern, self._is_folder = title, pattern, is_folder
        self._shown = ""
        self.edit = PathEdit()
        self.edit.setAccessibleName(title.capitalize())
        self.edit.setPlaceholderText(placeholder or "choose, or drop a file here")
        self.edit.setAcceptDrops(False)
        self.edit.setMinimumWidth(60)
        self.edit.editingFinished.connect(self._on_edited)
        self.button = QToolButton()
        self.button.setText("…")
        self.button.setToolTip(f"Choose {title}")
        self.button.clicked.connect(self._on_browse)
        self.button.setAccessibleName(f"Choose {title}")
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.problem.hide()
        self._mark: QAction | None = None
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(2)
        layout.addWidget(self.edit, 0, 0)
        layout.addWidget(self.button, 0, 1)
        layout.addWidget(self.problem, 1, 0, 1, 2)
        self.setAcceptDrops(True)
        self.start_dir = Path.home()

    def set_path(self, path: Path | None) -> None:
        """Show a path; nothing is told."""
        self._shown = "" if path is None else str(path)
        self.edit.set_whole_text(self._shown)

    def set_problem(self, sentence: str) -> None:
        """Mark the field and say below it why its file is not loaded; an empty sentence clears."""
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))
        style = self.style()
        if sentence and self._mark is None and style is not None:
            icon = style.standardIcon(QStyle.StandardPixmap.SP_MessageBoxWarning)
            self._mark = self.edit.addAction(icon, QLineEdit.ActionPosition.LeadingPosition)
        elif not sentence and self._mark is not None:
            self.edit.removeAction(self._mark)
            self._mark = None

    @property
    def is_marked(self) -> bool:
        """Whether the field says that its file is not loaded."""
        return self._mark is not None

    def path(self) -> Path | None:
        """Return the path shown."""
        text = self.edit.whole_text().strip()
        return Path(text).expanduser() if text else None

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """Take one local file or folder."""
        data = None if event is None else event.mimeData()
        if event is not None and data is not None and data.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """Choose what was dropped."""
        data = None if event is None else event.mimeData()
        if data is not None and data.urls():
            self._choose(Path(data.urls()[0].toLocalFile()))

    def _on_browse(self) -> None:
        start = str(self.path() or self.start_dir)
        if self._is_folder:
            text = QFileDialog.getExistingDirectory(self, f"Choose {self._title}", start)
        else:
            text, _ = QFileDialog.getOpenFileName(
                self, f"Choose {self._title}", start, self._pattern
            )
        if text:
            self._choose(Path(text))

    def _on_edited(self) -> None:
        if self.edit.whole_text().strip() != self._shown:
            self._choose(self.path())

    def _choose(self, path: Path | None) -> None:
        self.set_path(path)
        self.chosen.emit(path)
