"""4 Export: poses to a STAR file that RELION and cryoSPARC take."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.exports import FigureKind, Subset

EXPLANATION = (
    "Your STAR file with every row and column kept; only angles, origins and the figure of merit "
    "are new."
)

FIGURES: dict[str, FigureKind] = {
    "Triptych": "triptych",
    "Directions": "directions",
    "Curves": "curves",
}
PICTURES = {
    "Picture (*.png)": ".png",
    "Vector graphics (*.svg)": ".svg",
    "PDF (*.pdf)": ".pdf",
}


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
        self.selection_button.setToolTip("<p>What filter and marks keep, see 3 Inspect.</p>")
        self.rejected_button = QPushButton("Rejected…")
        self.rejected_button.setToolTip("<p>What was rejected by hand, as a subset of its own.</p>")
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self.all_button)
        buttons.addWidget(self.selection_button)
        buttons.addWidget(self.rejected_button)
        self.figure = QComboBox()
        self.figure.setAccessibleName("Figure")
        for label, kind in FIGURES.items():
            self.figure.addItem(label, kind)
        self.figure.setToolTip(
            "<p>Triptych: particles from the current one on, in the order of <i>Rank by</i>. "
            "Directions: those the filter keeps. Curves: of all runs shown.</p>"
        )
        self.n_particles = QSpinBox()
        self.n_particles.setAccessibleName("Particles in the figure")
        self.n_particles.setRange(1, 12)
        self.n_particles.setValue(4)
        self.n_particles.setToolTip("<p>Rows of the triptych, a particle each.</p>")
        self.figure_button = QPushButton("Figure…")
        figures = QHBoxLayout()
        figures.addWidget(self.figure, 1)
        figures.addWidget(self.n_particles)
        figures.addWidget(self.figure_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(explanation)
        layout.addLayout(buttons)
        layout.addWidget(self.hint)
        layout.addLayout(figures)
        layout.addStretch(1)
        self.all_button.clicked.connect(lambda: self._on_export("all"))
        self.selection_button.clicked.connect(lambda: self._on_export("kept"))
        self.rejected_button.clicked.connect(lambda: self._on_export("rejected"))
        self.figure.currentIndexChanged.connect(self._pull)
        self.figure_button.clicked.connect(self._on_figure)
        self._session.run_changed.connect(self._pull)
        self._session.inspection_changed.connect(self._pull)
        self._session.selection_changed.connect(self._pull)
        self._pull()

    def close_section(self) -> None:
        """Leave the session alone from now on."""
        self._session.run_changed.disconnect(self._pull)
        self._session.inspection_changed.disconnect(self._pull)
        self._session.selection_changed.disconnect(self._pull)

    def _pull(self, *_: object) -> None:
        session = self._session
        kind = session.inspection.kind
        has_poses = kind in ("predictions", "poses") and session.data.star is not None
        is_filtered = session.is_filtered
        n_rejected = len(session.marks.rows("reject"))
        self.rejected_button.setEnabled(has_poses and n_rejected > 0)
        self.rejected_button.setText(f"Rejected ({n_rejected:,})…" if n_rejected else "Rejected…")
        self.all_button.setEnabled(has_poses)
        self.selection_button.setEnabled(has_poses and is_filtered)
        n = len(session.selected())
        self.selection_button.setText(f"Selection ({n:,})…" if is_filtered else "Selection…")
        hints = {
            "predictions": ""
            if is_filtered
            else "Set a filter or marks under 3 Inspect to export a selection.",
            "poses": "These are the STAR file's own poses: train to get new ones.",
            "preview": "Poses of the whole stack come when the run has finished.",
        }
        if session.inspection.source == "other file":
            hints["predictions"] = "These are the poses of B, turned into the frame of A."
        self.hint.setText(hints.get(kind, "Poses come from a finished run."))
        self.hint.setVisible(bool(self.hint.text()))
        figure = self.figure.currentData()
        self.n_particles.setVisible(figure == "triptych")
        self.figure_button.setEnabled(
            any(run.metrics for run in session.shown_runs())
            if figure == "curves"
            else len(session.inspection) > 0
            and (figure == "triptych" or session.inspection.shown_poses is not None)
        )

    def _on_figure(self) -> None:
        kind = self.figure.currentData()
        star, run = self._session.data.star_path, self._session.run
        folder = star.parent if star is not None else run.path if run else Path.home()
        text, pattern = QFileDialog.getSaveFileName(
            self, "Draw a figure", str(folder / f"{kind}.png"), ";;".join(PICTURES)
        )
        if text:
            path = Path(text)
            if path.suffix.lower() not in PICTURES.values():
                path = path.with_name(path.name + PICTURES.get(pattern, ".png"))
            self._controller.exports.figure(kind, path, self.n_particles.value())

    def _on_export(self, which: Subset) -> None:
        star = self._session.data.star_path
        if star is None:
            return
        tail = {"all": "predicted", "kept": "selection", "rejected": "rejected"}[which]
        source = self._session.data.star
        kinds = {"STAR (*.star)": ".star"}
        if source is not None and source.cs is not None:
            kinds["cryoSPARC (*.cs)"] = ".cs"
        proposal = str(star.with_name(f"{star.stem}_{tail}.star"))
        text, pattern = QFileDialog.getSaveFileName(
            self, "Export poses", proposal, ";;".join(kinds)
        )
        if text:
            path = Path(text)
            if path.suffix.lower() not in kinds.values():
                path = path.with_name(path.name + kinds.get(pattern, ".star"))
            self._controller.exports.poses(path, which)
