"""4 Export: poses to a STAR file that RELION and cryoSPARC take."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cryoorient.session.controller import Controller

EXPLANATION = (
    "Your STAR file with every row and column kept; only angles, origins and the figure of merit "
    "are new."
)


class ExportSection(QWidget):
    """Writes all poses, or those of the particles the filter keeps."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._session = controller.session
        explanation = QLabel(EXPLANATION)
        explanation.setWordWrap(True)
        self.all_button = QPushButton("All particles…")
        self.selection_button = QPushButton("Selection…")
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self.all_button)
        buttons.addWidget(self.selection_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(explanation)
        layout.addLayout(buttons)
        layout.addWidget(self.hint)
        layout.addStretch(1)
        self.all_button.clicked.connect(lambda: self._on_export(False))
        self.selection_button.clicked.connect(lambda: self._on_export(True))
        self._session.inspection_changed.connect(self._pull)
        self._session.selection_changed.connect(self._pull)
        self._pull()

    def close_section(self) -> None:
        """Leave the session alone from now on."""
        self._session.inspection_changed.disconnect(self._pull)
        self._session.selection_changed.disconnect(self._pull)

    def _pull(self, *_: object) -> None:
        session = self._session
        kind = session.inspection.kind
        has_poses = kind in ("predictions", "poses") and session.data.star is not None
        is_filtered = session.threshold is not None
        self.all_button.setEnabled(has_poses)
        self.selection_button.setEnabled(has_poses and is_filtered)
        n = len(session.selected())
        self.selection_button.setText(f"Selection ({n:,})…" if is_filtered else "Selection…")
        hints = {
            "predictions": "" if is_filtered else "Set a filter under 3 to export a selection.",
            "poses": "These are the STAR file's own poses: train to get new ones.",
            "preview": "Poses of the whole stack come when the run has finished.",
        }
        self.hint.setText(hints.get(kind, "Poses come from a finished run."))
        self.hint.setVisible(bool(self.hint.text()))

    def _on_export(self, only_selected: bool) -> None:
        star = self._session.data.star_path
        if star is None:
            return
        tail = "selection" if only_selected else "predicted"
        proposal = str(star.with_name(f"{star.stem}_{tail}.star"))
        text, _ = QFileDialog.getSaveFileName(self, "Export poses", proposal, "STAR (*.star)")
        if text:
            path = Path(text)
            path = path if path.suffix.lower() == ".star" else path.with_name(path.name + ".star")
            self._controller.export(path, only_selected=only_selected)
