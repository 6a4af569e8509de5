"""The current particle beside projections of the map, and what steps through the stack below it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QWidget
from superqt.utils import qdebounced, signals_blocked

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.display_filter import DISPLAY_LOW_PASS_ANGSTROM
from napari_cryoorient.session.readout import headline_of
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.viewer.display import Display
from napari_cryoorient.viewer.napari_api import call_on_resize, draw_unseen
from napari_cryoorient.widgets.canvas import Canvas
from napari_cryoorient.widgets.elided import ElidedLabel
from napari_cryoorient.widgets.levels import LevelsRow
from napari_cryoorient.widgets.tab_order import order_tabs

FIT_AFTER_MS = 60
EMPTY = "No particles yet. Choose a map and particles under 1 Data, or drop them here."
LEAST_HEIGHT = 150  # px


class ParticleImages(Canvas):
    """Shows the session's current particle; the slider counts from 1, as image names do."""

    dropped = Signal(object)  # list of paths

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        session = controller.session
        super().__init__(session, parent)
        self._controller = controller
        self._low_pass = DISPLAY_LOW_PASS_ANGSTROM  # what a click on the button brings back
        self.display = Display(session, self.model)
        assert self.qt_viewer is not None
        self.qt_viewer.dims.setVisible(False)  # the slider below counts from 1
        self.headline = ElidedLabel(is_sentence=True)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.problem.hide()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setMinimum(1)
        self.slider.setAccessibleName("Particle")
        self.of = QLabel()
        self.low_pass_button = _button("Low-pass", "Display-only filter", is_checkable=True)
        self.keep_button = _button("Keep", "Keep this particle whatever the filter says (K)", True)
        self.reject_button = _button("Reject", "Reject this particle by hand (R)", True)
        self.fit_button = _button("Fit", "Reset view and grey levels")
        self.levels_button = _button("Levels", "Grey levels and colours of the pictures", True)
        self.levels = LevelsRow(self.display.triptych)
        self.levels.hide()
        bar = QHBoxLayout()
        bar.setContentsMargins(2, 0, 2, 0)
        bar.addWidget(self.slider, 1)
        for widget in (
            self.of,
            self.keep_button,
            self.reject_button,
            self.low_pass_button,
            self.levels_button,
            self.fit_button,
        ):
            bar.addWidget(widget)
        self._column.addWidget(self.headline)
        self._column.addWidget(self.problem)
        self._column.addWidget(self.qt_viewer, 1)
        self._column.addLayout(bar)
        self._column.addWidget(self.levels)
        self.setMinimumHeight(LEAST_HEIGHT)
        self.setAcceptDrops(True)
        order_tabs(self)

        self._fit_later = qdebounced(self.display.triptych.fit, timeout=FIT_AFTER_MS)
        self.display.triptych.on_layout_changed = self._on_layout_changed
        call_on_resize(self.model, self.qt_viewer, self._on_size)
        self.slider.valueChanged.connect(lambda value: session.set_particle(value - 1))
        self.low_pass_button.clicked.connect(self._on_low_pass)
        self.keep_button.clicked.connect(lambda on: controller.marking.mark("keep" if on else None))
        self.reject_button.clicked.connect(
            lambda on: controller.marking.mark("reject" if on else None)
        )
        self.fit_button.clicked.connect(self._on_fit)
        self.levels_button.toggled.connect(self._on_levels)
        self.display.problem_changed.connect(self._on_problem)
        session.inspection_changed.connect(self._pull)
        session.particle_changed.connect(self._pull)
        session.selection_changed.connect(self._pull)
        session.low_pass_changed.connect(self._pull)
        self._pull()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """Take local files and folders."""
        data = None if event is None else event.mimeData()
        if event is not None and data is not None and data.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """Tell what was dropped."""
        data = None if event is None else event.mimeData()
        if data is not None and data.urls():
            self.dropped.emit([Path(url.toLocalFile()) for url in data.urls()])

    def _on_layout_changed(self) -> None:
        if self.qt_viewer is not None:
            draw_unseen(self.qt_viewer)

    def _on_size(self, _event: object = None) -> None:
        self._fit_later()

    def _on_low_pass(self, is_on: bool) -> None:
        self._session.set_low_pass(self._low_pass if is_on else None)

    def _on_fit(self) -> None:
        self.display.reset_view()
        self.levels.pull()

    def _on_levels(self, is_on: bool) -> None:
        self.levels.setVisible(is_on)
        self.levels.pull()

    def _on_problem(self, sentence: str) -> None:
        self.problem.setText(on_screen(sentence))
        self.problem.setVisible(bool(sentence))

    def _pull(self, *_: object) -> None:
        session = self._session
        n = len(session.inspection)
        with signals_blocked(self.slider):
            self.slider.setMaximum(max(n, 1))
            self.slider.setPageStep(max(n // 20, 1))
            self.slider.setValue(session.particle + 1)
        self.of.setText(f"{session.particle + 1:,} of {n:,}" if n else "")
        if self.levels.isVisible():
            self.levels.pull()
        for widget in (self.slider, self.low_pass_button, self.levels_button, self.fit_button):
            widget.setEnabled(n > 0)
        mark = session.marks.of(session.row)
        for button, name in ((self.keep_button, "keep"), (self.reject_button, "reject")):
            button.setEnabled(session.row >= 0)
            button.setChecked(mark == name)
        if session.low_pass_angstrom is not None:
            self._low_pass = session.low_pass_angstrom
        self.low_pass_button.setChecked(session.low_pass_angstrom is not None)
        self.low_pass_button.setText(f"Low-pass {self._low_pass:g} Å")
        self.headline.setText(headline_of(session) if n else EMPTY)

    def _redraw(self) -> None:
        """Nothing to do: the display draws as soon as the session changes."""

    def _disconnect(self) -> None:
        session = self._session
        self.display.problem_changed.disconnect(self._on_problem)
        self.display.close()
        self._fit_later.cancel()
        session.inspection_changed.disconnect(self._pull)
        session.particle_changed.disconnect(self._pull)
        session.selection_changed.disconnect(self._pull)
        session.low_pass_changed.disconnect(self._pull)


def _button(text: str, tip: str, is_checkable: bool = False) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(f"<p>{tip}</p>")
    button.setCheckable(is_checkable)
    return button
