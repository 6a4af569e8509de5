"""3 Inspect: the particle being looked at, the worst and the best, and a filter."""

from __future__ import annotations

from qtpy.QtCore import QTimer
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
from superqt.utils import qthrottled, signals_blocked

from napari_cryoorient.errors import InputError
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.criteria import CRITERIA, figure_of
from napari_cryoorient.session.inspection import Fourth, Source
from napari_cryoorient.session.readout import readout
from napari_cryoorient.session.words import counted, on_screen
from napari_cryoorient.widgets.facts import Facts
from napari_cryoorient.widgets.steady import SteadyLabel
from napari_cryoorient.widgets.threshold import ThresholdSlider

KINDS = {
    "nothing": "Nothing is loaded: choose a map and particles under 1 Data.",
    "images": "The stack. With a map, and poses in the STAR file, projections show beside it.",
    "poses": "The stack beside the map's projections at the STAR file's own poses.",
    "preview": "Test particles of the run, with its latest predictions.",
}
SOURCES: dict[Source, str] = {
    "network": "The stack, with the run's predictions.",
    "network, refined": "The stack, with the run's predictions, refined.",
    "search": "The stack, with poses found by global search.",
    "STAR, refined": "The stack, with the STAR file's poses refined.",
    "STAR, relaxed": "The stack, each at the most probable of its equivalent poses.",
    "other file": "The stack at its own poses (A) and at those of another file (B).",
}
DOUBTFUL = "\N{WARNING SIGN} These particles do not seem to show this map: see 1 Data."
FOURTH: dict[str, Fourth] = {
    "none": "none",
    "difference": "difference",
    "blink": "blink",
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
        self.what = SteadyLabel(2)
        self.particle = QSpinBox()
        self.particle.setAccessibleName("Particle")
        self.particle.setMinimum(1)
        self.particle.setKeyboardTracking(False)
        self.of = QLabel()
        self.facts = Facts(is_wrapped=False)
        self.low_pass = QSpinBox()
        self.low_pass.setRange(0, 100)
        self.low_pass.setSpecialValueText("off")
        self.low_pass.setSuffix(" Å")
        self.low_pass.setKeyboardTracking(False)
        self.low_pass.setToolTip("<p>Smooths what is shown; nothing is computed with it.</p>")
        self.low_pass.setAccessibleName("Low-pass, display only")
        self.criterion = QComboBox()
        self.criterion.setAccessibleName("Rank by")
        self.better = QPushButton("Next better")
        self.better.setToolTip("<p>Key B.</p>")
        self.worse = QPushButton("Next worse")
        self.worse.setToolTip("<p>Key W.</p>")
        self.filter = QCheckBox("Keep only")
        self.threshold = ThresholdSlider()
        self.kept = SteadyLabel(2)
        self.undo = QPushButton("Undo mark")
        self.undo.setToolTip("<p>Undoes the last Keep or Reject. Ctrl+Z.</p>")
        self.redo = QPushButton("Redo")
        self.redo.setToolTip("<p>Redoes the last mark. Ctrl+Shift+Z.</p>")
        self.marked = QLabel()
        self.fourth = QComboBox()
        self.fourth.setAccessibleName("Fourth view")
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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.what)
        layout.addLayout(top)
        layout.addWidget(self.facts)
        layout.addLayout(form)
        layout.addWidget(self._ranked)
        layout.addWidget(self.kept)
        marks = QHBoxLayout()
        marks.addWidget(self.marked, 1)
        marks.addWidget(self.undo)
        marks.addWidget(self.redo)
        layout.addLayout(marks)
        # Last, since it comes and goes: nothing below it could move.
        correlation = QHBoxLayout()
        correlation.addWidget(self.correlate)
        correlation.addWidget(self.correlated, 1)
        layout.addLayout(correlation)
        layout.addStretch(1)
        self._form = form

        # Scrolling through particles must not wait for their read-out.
        self._read_out = qthrottled(self._pull_facts, timeout=READOUT_DELAY_MS, leading=False)
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
        session.verdict_changed.connect(self._pull_what)
        session.inspection_changed.connect(self._pull)
        session.particle_changed.connect(self._pull_particle)
        session.selection_changed.connect(self._pull_selection)
        self.undo.clicked.connect(controller.marking.undo)
        self.redo.clicked.connect(controller.marking.redo)
        self._pull()

    def close_section(self) -> None:
        """Leave the session alone from now on."""
        self._read_out.cancel()
        self._blink.stop()
        self._correlations.changed.disconnect(self._pull_correlations)
        self._session.verdict_changed.disconnect(self._pull_what)
        self._session.inspection_changed.disconnect(self._pull)
        self._session.particle_changed.disconnect(self._pull_particle)
        self._session.selection_changed.disconnect(self._pull_selection)
        self._session.low_pass_changed.disconnect(self._pull_low_pass)

    def _pull_low_pass(self, resolution_angstrom: float | None) -> None:
        with signals_blocked(self.low_pass):
            self.low_pass.setValue(round(resolution_angstrom or 0))

    def _pull(self, *_: object) -> None:
        session, inspection = self._session, self._session.inspection
        self._pull_what()
        self.particle.setMaximum(max(len(inspection), 1))
        self.particle.setEnabled(bool(len(inspection)))
        self.of.setText(f"of {len(inspection):,}")
        criteria = list(inspection.criteria)
        if [self.criterion.itemText(i) for i in range(self.criterion.count())] != criteria:
            with signals_blocked(self.criterion):
                self.criterion.clear()
                self.criterion.addItems(criteria)
        roles = {picture.role for picture in inspection.pictures}
        has_both = {"true", "predicted"} <= roles
        self._form.setRowVisible(self.fourth, has_both)
        with signals_blocked(self.fourth):
            self.fourth.setCurrentIndex(self.fourth.findData(session.fourth))
        if "blink" not in roles:
            self._blink.stop()
        elif not self._blink.isActive():
            self._blink.start()
        is_ranked = bool(criteria)
        self._ranked.setVisible(is_ranked)
        self._form.setRowVisible(self.criterion, is_ranked)
        if is_ranked and session.criterion in criteria:
            with signals_blocked(self.criterion):
                self.criterion.setCurrentText(session.criterion)
        self._pull_range()
        self._pull_particle()
        self._pull_selection()
        self._pull_correlations()

    def _pull_what(self, *_: object) -> None:
        """Say what is shown, or that it does not belong together."""
        inspection = self._session.inspection
        is_new = inspection.kind == "predictions"
        what = SOURCES[inspection.source] if is_new else KINDS[inspection.kind]
        verdict = self._session.verdict
        self.what.setText(DOUBTFUL if verdict else what)
        self.what.setToolTip(verdict or what)

    def _pull_range(self) -> None:
        """Let the threshold run over the values there are."""
        criterion = self._session.criterion
        values = self._session.inspection.values(criterion)
        if values is None or not len(values):
            return
        with signals_blocked(self.threshold):
            self.threshold.set_values(values, CRITERIA[criterion].format, CRITERIA[criterion].unit)
            if self._session.threshold is None:
                self.threshold.setValue(self.threshold.middle())

    def _pull_particle(self, *_: object) -> None:
        with signals_blocked(self.particle):
            self.particle.setValue(self._session.particle + 1)
        self._read_out()

    def _pull_facts(self) -> None:
        session = self._session
        try:
            rows = readout(session.data, session.inspection, session.particle)
        except (InputError, OSError) as error:  # a stack that went away
            rows = [("Image", on_screen(f"cannot be read: {error}"))]
        self.facts.show_rows(rows)

    def _pull_selection(self) -> None:
        session = self._session
        if self.criterion.currentText() != session.criterion:
            with signals_blocked(self.criterion):
                self.criterion.setCurrentText(session.criterion)
            self._pull_range()
        n, total = len(session.selected()), len(session.inspection)
        n_rejected, n_kept = (len(session.marks.rows(mark)) for mark in ("reject", "keep"))
        if not session.is_filtered:
            self.kept.setText(f"All {counted(total, 'particle')} kept." if total else "")
        else:
            why = []
            if session.threshold is not None:
                sign = "at least" if CRITERIA[session.criterion].is_higher_better else "at most"
                limit = figure_of(session.criterion, session.threshold)
                why.append(f"{session.criterion} {sign} {limit}")
            if len(session.excluded):
                why.append("micrographs excluded")
            if len(session.marks):
                why.append("marks by hand")
            self.kept.setText(f"{n:,} of {counted(total, 'particle')} kept: {', '.join(why)}.")
        self.marked.setText(f"By hand: {n_rejected:,} rejected, {n_kept:,} kept")
        self.undo.setEnabled(session.marks.can_undo)
        self.redo.setEnabled(session.marks.can_redo)
        with signals_blocked(self.filter):
            self.filter.setChecked(session.threshold is not None)
        self.threshold.setEnabled(session.threshold is not None)
        if session.threshold is not None:
            with signals_blocked(self.threshold):
                self.threshold.setValue(session.threshold)

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
