"""Two refinements compared: how far apart they are, the particles that differ most, those to keep.

The particles themselves are shown above, and the differences on the sphere beside, as those of any
other poses are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.criteria import CRITERIA, Criterion
from napari_cryoorient.session.refinements import summary_words
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.widgets.elided import ElidedLabel
from napari_cryoorient.widgets.steady import SteadyLabel
from napari_cryoorient.widgets.table_tab import TableTab
from napari_cryoorient.widgets.threshold import ThresholdSlider

BY: Criterion = "angle difference"
WITHIN_DEG = 5.0
POSES_PATTERN = "Poses (*.star *.cs)"
EMPTY = (
    "Are two refinements of these particles the same? B… opens the poses of another one, from "
    "RELION or cryoSPARC; A is the file under 1 Data. Frames, hands and symmetry copies may differ."
)


class CompareTab(QWidget):
    """Chooses B, says what came of it, and exports the particles that agree."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._session = controller.session
        self._refinements = controller.refinements
        self.a_button = QPushButton("A…")
        self.a_button.setToolTip("<p>Poses of one refinement, with their images: 1 Data too.</p>")
        self.a_name = ElidedLabel()
        self.b_button = QPushButton("B…")
        self.b_button.setToolTip("<p>Poses of another refinement of the same particles.</p>")
        self.b_name = ElidedLabel()
        self.ask_button = QPushButton("Ask the images")
        self.ask_button.setToolTip(
            "<p>Finds by the map which of its two poses each image prefers, in a process of its "
            "own that can be stopped.</p>"
        )
        self.clear_button = QPushButton("Clear")
        self.clear_button.setToolTip("<p>Shows the previous poses again.</p>")
        self.words = SteadyLabel(4)
        self.only = QCheckBox("Only those within")
        self.only.setToolTip("<p>Hides particles that differ by more.</p>")
        self.within = ThresholdSlider()
        self.export_button = QPushButton("Export agreeing…")
        self.export_button.setToolTip(
            "<p>Writes the particles of A whose two poses differ by no more, every column as it "
            "was; not those rejected by hand, nor of excluded micrographs.</p>"
        )
        self.table = TableTab(self._session)
        files = QHBoxLayout()
        files.addWidget(self.a_button)
        files.addWidget(self.a_name, 1)
        files.addWidget(self.b_button)
        files.addWidget(self.b_name, 1)
        files.addWidget(self.ask_button)
        files.addWidget(self.clear_button)
        self._row = QWidget()
        row = QHBoxLayout(self._row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.only)
        row.addWidget(self.within, 1)
        row.addWidget(self.export_button)
        self.empty = QLabel(EMPTY)
        self.empty.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 2, 2, 2)
        column.setSpacing(2)
        column.addLayout(files)
        column.addWidget(self.words)
        column.addWidget(self._row)
        column.addWidget(self.table, 1)
        column.addWidget(self.empty)
        column.addStretch(0)
        self.a_button.clicked.connect(self._on_a)
        self.b_button.clicked.connect(self._on_b)
        self.ask_button.clicked.connect(self._on_ask)
        self.clear_button.clicked.connect(self._on_clear)
        self.only.toggled.connect(self._on_filter)
        self.within.valueChanged.connect(self._on_slider)
        self.export_button.clicked.connect(self._on_export)
        self._seen: object = None  # the comparison that slider and table were set for
        self._signals = (
            self._refinements.changed,
            self._session.data_changed,
            self._session.inspection_changed,
            self._session.selection_changed,
            self._session.run_changed,
            controller.pose_jobs.changed,
        )
        for signal in self._signals:
            signal.connect(self._pull)
        self._pull()

    def close_canvas(self) -> None:
        """Leave session and jobs alone from now on."""
        for signal in self._signals:
            signal.disconnect(self._pull)
        self.table.close_canvas()

    def _pull(self, *_: Any) -> None:
        refinements, star = self._refinements, self._session.data.star_path
        found = refinements.found
        has_found = found is not None
        # With its folder: RELION calls the result of every refinement run_data.star.
        self.a_name.setText("" if star is None else f"{star.parent.name}/{star.name}")
        b_path = refinements.b_path
        self.b_name.setText("" if b_path is None else f"{b_path.parent.name}/{b_path.name}")
        self.b_name.setToolTip("" if b_path is None else str(b_path))
        self.b_button.setEnabled(refinements.can_compare)
        is_asked = refinements.is_asking
        self.ask_button.setVisible(has_found)
        self.ask_button.setEnabled(is_asked or refinements.can_ask_images)
        self.ask_button.setText(self._ask_words(is_asked))
        is_elsewhere = has_found and not refinements.is_shown
        self.clear_button.setVisible(has_found)
        self.clear_button.setText("Show again" if is_elsewhere else "Clear")
        for widget in (self.words, self._row, self.table):
            widget.setVisible(has_found)
        self.empty.setVisible(not has_found)
        if found is None:
            self._seen = None
            return
        words = summary_words(found, refinements.probability_of_a)
        self.words.setText(on_screen(words))
        if self._seen is not found and refinements.is_shown:
            self._seen = found
            with signals_blocked(self.within):
                self.within.set_values(found.angles_deg, CRITERIA[BY].format, CRITERIA[BY].unit)
                self.within.setValue(WITHIN_DEG)
            self.table.sort_by(BY)
        is_filtering = self._session.criterion == BY and self._session.threshold is not None
        self._row.setEnabled(refinements.is_shown)
        with signals_blocked(self.only):
            self.only.setChecked(is_filtering)
        if is_filtering and self._session.threshold is not None:
            with signals_blocked(self.within):
                self.within.setValue(self._session.threshold)
        self._count()

    def _ask_words(self, is_asked: bool) -> str:
        if not is_asked:
            return "Ask the images"
        return "Stopping…" if self._controller.pose_jobs.is_stopping else "Stop"

    def _count(self) -> None:
        n = len(self._refinements.agreeing(self.within.value()))
        self.export_button.setText(f"Export agreeing ({n:,})…")
        self.export_button.setEnabled(n > 0)

    def _on_slider(self, value: float) -> None:
        self._count()
        if self.only.isChecked():
            self._session.set_selection(BY, value)

    def _on_filter(self, is_on: bool) -> None:
        self._session.set_selection(BY, self.within.value() if is_on else None)

    def _on_ask(self) -> None:
        if self._refinements.is_asking:
            self._controller.pose_jobs.stop()
        else:
            self._refinements.ask_images()

    def _on_clear(self) -> None:
        if self._refinements.is_shown:
            self._refinements.clear()
        else:
            self._refinements.show()

    def _folder(self) -> str:
        star = self._session.data.star_path
        return str(star.parent if star else Path.home())

    def _on_a(self) -> None:
        text, _ = QFileDialog.getOpenFileName(self, "Poses A", self._folder(), POSES_PATTERN)
        if text:
            data = self._session.data
            self._controller.load(Path(text), data.map_path, data.map_pixel_size_angstrom)

    def _on_b(self) -> None:
        text, _ = QFileDialog.getOpenFileName(self, "Poses B", self._folder(), POSES_PATTERN)
        if text:
            self._refinements.compare(Path(text))

    def _on_export(self) -> None:
        star = self._session.data.star_path
        if star is None:
            return
        suffix = star.suffix if star.suffix.lower() in (".star", ".cs") else ".star"
        proposal = str(star.with_name(f"{star.stem}_agreeing{suffix}"))
        text, _ = QFileDialog.getSaveFileName(
            self, "Export particles that agree", proposal, f"Particles (*{suffix})"
        )
        if text:
            path = Path(text)
            path = path if path.suffix else path.with_name(path.name + suffix)
            self._refinements.export_agreeing(path, self.within.value())
