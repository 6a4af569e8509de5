"""A file or folder: typed, picked or dropped."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QToolButton, QWidget


class PathRow(QWidget):
    """Shows one path; tells when the user has chosen another."""

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
        self.edit = QLineEdit()
        self.edit.setPlaceholderText(placeholder or "choose, or drop a file here")
        self.edit.setAcceptDrops(False)
        self.edit.setMinimumWidth(60)
        self.edit.editingFinished.connect(self._on_edited)
        self.button = QToolButton()
        self.button.setText("…")
        self.button.setToolTip(f"Choose {title}")
        self.button.clicked.connect(self._on_browse)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.edit, 1)
        layout.addWidget(self.button)
        self.setAcceptDrops(True)
        self.start_dir = Path.home()

    def set_path(self, path: Path | None) -> None:
        """Show a path; nothing is told."""
        self._shown = "" if path is None else str(path)
        self.edit.setText(self._shown)
        self.edit.setToolTip(self._shown)
        self.edit.setCursorPosition(len(self._shown))

    def path(self) -> Path | None:
        """Return the path shown."""
        text = self.edit.text().strip()
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
        if self.edit.text().strip() != self._shown:
            self._choose(self.path())

    def _choose(self, path: Path | None) -> None:
        self.set_path(path)
        self.chosen.emit(path)
