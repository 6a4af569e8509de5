"""3 Inspect: the particle being looked at, the worst and the best, and a filter."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.inspection import UNITS, Fourth, Source, is_higher_better
from napari_cryoorient.session.readout import readout
from napari_cryoorient.widgets.facts import Facts

KINDS = {
    "nothing": "Nothing loaded yet.",
    "images": "The stack. Load a map, and poses in the STAR file show beside it.",
    "poses": "The stack beside the map's projections at the STAR file's own poses.",
    "preview": "Test particles of the run, with its latest predictions.",
}
SOURCES: dict[Source, str] = {
    "network": "The stack, with the run's predictions.",
    "network, refined": "The stack, with the run's predictions, refined.",
    "search": "The stack, with poses found by global search.",
    "STAR, refined": "The stack, with the STAR file's poses refined.",
}
FOURTH: dict[str, Fourth] = {
    "none": "none",
    "difference": "difference",
    "blink true, predicted": "blink",
}
READOUT_DELAY_MS = 60
BLINK_MS = 600


class InspectSection(QWidget):
    """Shows the current particle of the session and lets the user choose another."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        session = controller.session
        self._session = session
        self._correlations = controller.correlations
        self.what = QLabel()
        self.what.setWordWrap(True)
        self.particle = QSpinBox()
        self.particle.setMinimum(1)
        self.particle.setKeyboardTracking(False)
        self.of = QLabel()
        self.facts = Facts()
        self.low_pass = QSpinBox()
        self.low_pass.setRange(0, 100)
        self.low_pass.setSpecialValueText("off")
        self.low_pass.setSuffix(" Å")
        self.low_pass.setKeyboardTracking(False)
        self.low_pass.setToolTip("<p>Smooths what is shown; nothing is computed with it.</p>")
        self.criterion = QComboBox()
        self.better = QPushButton("Next better")
        self.worse = QPushButton("Next worse")
        self.filter = QCheckBox("Keep only")
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.kept = QLabel()
        self.kept.setWordWrap(True)
        self.fourth = QComboBox()
        for label, fourth in FOURTH.items():
            self.fourth.addItem(label, fourth)
        self.fourth.setToolTip(
            "<p>A fourth view beside the three: the difference of both projections, or both in "
            "turn, which shows small turns best.</p>"
        )
        self.correlate = QPushButton("Correlate all")
        self.correlate.setToolTip(
            "<p>Correlates every particle with the map's projection at its pose, so that "
            "particles can be ranked, filtered and sorted by it.</p>"
        )
        self.correlated = QProgressBar()
        self.correlated.setFormat("%v of %m")

        top = QHBoxLayout()
        top.addWidget(QLabel("Particle, from 1"))  # as image names; napari's slider is from 0
        top.addWidget(self.particle, 1)
        top.addWidget(self.of)
        form = QFormLayout()
        form.addRow("Low-pass", self.low_pass)
        form.addRow("Fourth view", self.fourth)
        form.addRow("Rank by", self.criterion)
        steps = QHBoxLayout()
        steps.addWidget(self.better)
        steps.addWidget(self.worse)
        line = QHBoxLayout()
        line.addWidget(self.filter)
        line.addWidget(self.threshold, 1)
        self._ranked = QWidget()
        ranked = QVBoxLayout(self._ranked)
        ranked.setContentsMargins(0, 0, 0, 0)
        ranked.addLayout(steps)
        ranked.addLayout(line)
        ranked.addWidget(self.kept)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.what)
        layout.addLayout(top)
        layout.addWidget(self.facts)
        layout.addLayout(form)
        correlation = QHBoxLayout()
        correlation.addWidget(self.correlate)
        correlation.addWidget(self.correlated, 1)
        layout.addLayout(correlation)
        layout.addWidget(self._ranked)
        layout.addStretch(1)
        self._form = form

        # Scrolling through particles shall not wait for their read-out.
        self._read_out = QTimer(self)
        self._read_out.setSingleShot(True)
        self._read_out.setInterval(READOUT_DELAY_MS)
        self._read_out.timeout.connect(self._pull_facts)
        self.particle.valueChanged.connect(lambda value: session.set_particle(value - 1))
        self.low_pass.valueChanged.connect(lambda value: session.set_low_pass(value or None))
        self._blink = QTimer(self)
        self._blink.setInterval(BLINK_MS)
        self._blink.timeout.connect(session.blink)
        self.fourth.currentIndexChanged.connect(self._on_fourth)
        self.correlate.clicked.connect(self._on_correlate)
        self._correlations.changed.connect(self._pull_correlations)
        session.low_pass_changed.connect(self._pull_low_pass)
        self.criterion.currentTextChanged.connect(self._on_criterion)
        self.better.clicked.connect(lambda: session.step_in_ranking(-1))
        self.worse.clicked.connect(lambda: session.step_in_ranking(+1))
        self.filter.toggled.connect(self._on_filter)
        self.threshold.valueChanged.connect(self._on_filter)
        session.inspection_changed.connect(self._pull)
        session.particle_changed.connect(self._pull_particle)
        session.selection_changed.connect(self._pull_selection)
        self._pull()

    def close_section(self) -> None:
        """Leave the session alone from now on."""
        self._read_out.stop()
        self._blink.stop()
        self._correlations.changed.disconnect(self._pull_correlations)
        self._session.inspection_changed.disconnect(self._pull)
        self._session.particle_changed.disconnect(self._pull_particle)
        self._session.selection_changed.disconnect(self._pull_selection)
        self._session.low_pass_changed.disconnect(self._pull_low_pass)

    def _pull_low_pass(self, resolution_angstrom: float | None) -> None:
        blocked = self.low_pass.blockSignals(True)
        self.low_pass.setValue(round(resolution_angstrom or 0))
        self.low_pass.blockSignals(blocked)

    def _pull(self, *_: object) -> None:
        session, inspection = self._session, self._session.inspection
        self.what.setText(
            SOURCES[inspection.source]
            if inspection.kind == "predictions"
            else KINDS[inspection.kind]
        )
        self.particle.setMaximum(max(len(inspection), 1))
        self.particle.setEnabled(bool(len(inspection)))
        self.of.setText(f"of {len(inspection):,}")
        criteria = list(inspection.criteria)
        if [self.criterion.itemText(i) for i in range(self.criterion.count())] != criteria:
            blocked = self.criterion.blockSignals(True)
            self.criterion.clear()
            self.criterion.addItems(criteria)
            self.criterion.blockSignals(blocked)
        roles = {panel.role for panel in inspection.panels}
        has_both = {"true", "predicted"} <= roles
        self._form.setRowVisible(self.fourth, has_both)
        blocked = self.fourth.blockSignals(True)
        self.fourth.setCurrentIndex(self.fourth.findData(session.fourth))
        self.fourth.blockSignals(blocked)
        if "blink" not in roles:
            self._blink.stop()
        elif not self._blink.isActive():
            self._blink.start()
        is_ranked = bool(criteria)
        self._ranked.setVisible(is_ranked)
        self._form.setRowVisible(self.criterion, is_ranked)
        if is_ranked and session.criterion in criteria:
            blocked = self.criterion.blockSignals(True)
            self.criterion.setCurrentText(session.criterion)
            self.criterion.blockSignals(blocked)
        self._pull_range()
        self._pull_particle()
        self._pull_selection()
        self._pull_correlations()

    def _pull_range(self) -> None:
        """Let the threshold run over the values there are."""
        values = self._session.inspection.values(self._session.criterion)
        if values is None or not len(values):
            return
        low, high = float(np.min(values)), float(np.max(values))
        if high <= low:
            high = low + 1.0
        blocked = self.threshold.blockSignals(True)
        if (self.threshold.minimum(), self.threshold.maximum()) != (low, high):
            is_small = high - low < 2.0
            self.threshold.setDecimals(3 if is_small else 1)
            self.threshold.setRange(low, high)
            if self._session.threshold is None:
                middle = float(np.median(values))
                self.threshold.setValue(middle)
        self.threshold.blockSignals(blocked)

    def _pull_particle(self, *_: object) -> None:
        blocked = self.particle.blockSignals(True)
        self.particle.setValue(self._session.particle + 1)
        self.particle.blockSignals(blocked)
        if not self._read_out.isActive():
            self._read_out.start()

    def _pull_facts(self) -> None:
        session = self._session
        try:
            rows = readout(session.data, session.inspection, session.particle)
        except Exception as error:  # a stack that went away: the viewer says so too
            rows = [("Particle", f"cannot be read: {error}")]
        self.facts.show_rows(rows)

    def _pull_selection(self) -> None:
        session = self._session
        if self.criterion.currentText() != session.criterion:
            blocked = self.criterion.blockSignals(True)
            self.criterion.setCurrentText(session.criterion)
            self.criterion.blockSignals(blocked)
            self._pull_range()
        n, total = len(session.selected()), len(session.inspection)
        sign = "at least" if is_higher_better(session.criterion) else "at most"
        if session.threshold is None:
            self.kept.setText(f"All {total:,} particles are kept.")
        else:
            unit = UNITS[session.criterion]
            self.kept.setText(
                f"{n:,} of {total:,} particles kept: {session.criterion} {sign} "
                f"{session.threshold:.3g}{unit}"
            )
        blocked = self.filter.blockSignals(True)
        self.filter.setChecked(session.threshold is not None)
        self.filter.blockSignals(blocked)
        self.threshold.setEnabled(session.threshold is not None)
        if session.threshold is not None:
            blocked = self.threshold.blockSignals(True)
            self.threshold.setValue(session.threshold)
            self.threshold.blockSignals(blocked)

    def _pull_correlations(self) -> None:
        n_done, n = self._correlations.progress
        is_going = self._correlations.is_going
        self.correlate.setVisible(n_done < n)
        self.correlate.setText("Stop" if is_going else "Correlate all")
        self.correlated.setVisible(is_going or 0 < n_done < n)
        self.correlated.setRange(0, max(n, 1))
        self.correlated.setValue(n_done)

    def _on_fourth(self, index: int) -> None:
        self._session.set_fourth(self.fourth.itemData(index))

    def _on_correlate(self) -> None:
        if self._correlations.is_going:
            self._correlations.stop()
        else:
            self._correlations.start()

    def _on_criterion(self, name: str) -> None:
        for criterion in self._session.inspection.criteria:
            if criterion == name:
                self._session.set_selection(criterion, None)
                self._pull_range()

    def _on_filter(self, *_: object) -> None:
        threshold = float(self.threshold.value()) if self.filter.isChecked() else None
        self._session.set_selection(self._session.criterion, threshold)
