"""Checks of stack, map and poses: the null test with its figures, pixel size, equivalents, hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cryoorient.session.checks import CHECKS, Check, CheckResult
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.viewer.curves import rounded_up, ticks
from napari_cryoorient.viewer.graph import Colour, Graph, GraphPlot, Line
from napari_cryoorient.viewer.napari_api import call_on_resize
from napari_cryoorient.widgets.canvas import Canvas
from napari_cryoorient.widgets.numbers import FloatOrEmpty, NumberEdit
from napari_cryoorient.widgets.steady import SteadyLabel

COLOURS: tuple[Colour, ...] = (
    (0.30, 0.67, 0.97, 1.0),
    (0.99, 0.55, 0.24, 1.0),
    (0.20, 0.78, 0.58, 1.0),
)
NAMES = ("particles", "no molecule", "random map")
WHAT: dict[Check, str] = {
    "Null test": (
        "Is there anything to see, and is it this map? Up to 200 particles are searched, and "
        "images without a particle, and maps of random detail."
    ),
    "Pixel size": "Do the pixel sizes of map and particles belong together, within 0.5%?",
    "Pseudo-symmetry": (
        "Which of the equivalent poses under a symmetry that the map breaks is each particle at?"
    ),
    "Hand": (
        "Is the map the molecule or its mirror image? The poses shown are of tilted images; those "
        "of the same particles untilted tell more, if there are any."
    ),
}
RESOLUTIONS = (100, 50, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4.5, 4, 3.5, 3, 2.5, 2, 1.5, 1)  # angstrom
PICTURES = {
    "Correlation": ("correlation", "correlation", "particles"),
    "Confidence": ("confidence", "confidence", "particles"),
    "FSC with the map": ("reference_fsc", "1/Å", "FSC with the map searched"),
    "FSC of half-maps": ("half_map_fsc", "1/Å", "FSC of half-maps"),
}


def null_graph(result: CheckResult, picture: str) -> Graph:
    """Lay out one of the figures of a null test, a line for each case."""
    key, x_title, y_title = PICTURES[picture]
    lines = []
    cases = [row["case"] for row in result.figures["cases"]]
    for case, name, colour in zip(cases, NAMES, COLOURS, strict=True):
        x, y = _points(result.figures, key, case)
        if len(x):
            lines.append(Line(name, x, y, colour))
    if not lines:
        return Graph("", "", (0, 1), (0, 1), (), (), empty="Too few particles for half-maps.")
    x_low, x_high = float(min(a.x.min() for a in lines)), float(max(a.x.max() for a in lines))
    is_fsc = key.endswith("fsc")
    low = min(0.0, *(float(line.y.min()) for line in lines))
    high = 1.0 if is_fsc else rounded_up(float(max(line.y.max() for line in lines)))
    y_ticks = tuple((float(y), f"{y:g}") for y in ticks(0.0, high, 3))
    # The last fifth is left to the title of the axis.
    last = x_high - 0.2 * (x_high - x_low)
    if is_fsc:
        x_ticks = _resolutions(x_low, last)
    else:
        x_ticks = tuple((float(x), f"{x:g}") for x in ticks(x_low, last))
    title = "resolution (Å)" if is_fsc else x_title
    levels = (0.0, 0.143) if is_fsc else ()
    return Graph(
        title, y_title, (x_low, x_high), (low, high), x_ticks, y_ticks, tuple(lines), levels=levels
    )


def _resolutions(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """Return frequencies in 1/angstrom that are round resolutions, far enough apart to be read."""
    found: list[tuple[float, str]] = []
    for resolution in RESOLUTIONS:
        x = 1 / resolution
        is_apart = not found or x - found[-1][0] >= (high - low) / 5
        if low <= x <= high and is_apart:
            found.append((x, f"{resolution:g}"))
    return tuple(found)


def _points(figures: dict[str, Any], key: str, case: str) -> tuple[Any, Any]:
    """Return x and y of a line: a histogram's steps, or a curve without its first point."""
    if key.endswith("fsc"):
        curve = figures.get(key, {}).get(case)
        if curve is None:
            return np.zeros(0), np.zeros(0)
        return np.array(curve["frequency_per_angstrom"])[1:], np.array(curve["fsc"])[1:]
    histogram = figures["histograms"][key]
    edges, counts = np.array(histogram["edges"]), np.array(histogram["counts"][case], dtype=float)
    return np.repeat(edges, 2)[1:-1], np.repeat(counts, 2)


class ChecksTab(Canvas):
    """One check at a time: what it asks, what it needs, what came of it."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(controller.session, parent)
        self._controller = controller
        self._checks = controller.checks
        self.plot = GraphPlot(self.model)
        self.check = QComboBox()
        self.check.setAccessibleName("Check")
        self.check.addItems(list(CHECKS))
        self.picture = QComboBox()
        self.picture.setAccessibleName("Figure of the null test")
        self.picture.addItems(list(PICTURES))
        self.start_button = QPushButton("Start")
        self.start_button.setToolTip("<p>In a process of its own that can be stopped.</p>")
        self.symmetry = QLineEdit()
        self.symmetry.setPlaceholderText("D7, C4 …")
        self.symmetry.setAccessibleName("Pseudo-symmetry")
        self.tilt = NumberEdit(FloatOrEmpty(-180, 180, 2), "degrees, signed")
        self.tilt.setAccessibleName("Tilt of the specimen in degrees")
        self.axis = NumberEdit(FloatOrEmpty(-360, 360, 2), "degrees from x towards y")
        self.axis.setAccessibleName("Axis of the tilt in the image in degrees")
        self.untilted_button = QPushButton("Untilted poses…")
        self.untilted_button.setAccessibleName("Poses of the untilted images")
        self.words = SteadyLabel(4)
        bar = QHBoxLayout()
        bar.addWidget(self.check)
        bar.addWidget(self.picture, 1)
        bar.addWidget(self.start_button)
        self._symmetry_row, self._hand_rows = QWidget(), QWidget()
        form = QFormLayout(self._symmetry_row)
        form.addRow("Pseudo-symmetry", self.symmetry)
        row = QFormLayout(self._hand_rows)
        row.addRow("Tilt (°)", self.tilt)
        row.addRow("Axis in the image (°)", self.axis)
        row.addRow("Untilted images", self.untilted_button)
        for layout in (form, row):
            layout.setContentsMargins(0, 0, 0, 0)
        self._column.addLayout(bar)
        self._column.addWidget(self._symmetry_row)
        self._column.addWidget(self._hand_rows)
        self._column.addWidget(self.words)
        self._column.addWidget(self.qt_viewer, 1)
        self._untilted: Path | None = None
        self.check.currentIndexChanged.connect(self._pull)
        self.picture.currentIndexChanged.connect(self._later)
        self.start_button.clicked.connect(self._on_start)
        self.untilted_button.clicked.connect(self._on_untilted)
        session = controller.session
        self._signals = (
            self._checks.changed,
            session.data_changed,
            session.inspection_changed,
            session.run_changed,
            controller.pose_jobs.changed,
        )
        for signal in self._signals:
            signal.connect(self._pull)
        call_on_resize(self.model, self.qt_viewer, self._later)
        self._pull()
        self._redraw()

    @property
    def chosen(self) -> Check:
        """The check in front."""
        return CHECKS[self.check.currentIndex()]

    def _pull(self, *_: Any) -> None:
        going, check = self._checks.going, self.chosen
        if going is not None and going != check:
            with signals_blocked(self.check):
                self.check.setCurrentIndex(CHECKS.index(going))
            check = going
        is_stopping = self._controller.pose_jobs.is_stopping
        stop = "Stopping…" if is_stopping else "Stop"
        self.start_button.setText("Start" if going is None else stop)
        can_start = self._checks.can_start(check)
        self.start_button.setEnabled(going is not None or can_start)
        self.check.setEnabled(going is None)
        self.picture.setVisible(check == "Null test")
        self._symmetry_row.setVisible(check == "Pseudo-symmetry")
        self._hand_rows.setVisible(check == "Hand")
        self.untilted_button.setText(self._untilted.name if self._untilted else "Untilted poses…")
        self.untilted_button.setToolTip(str(self._untilted or "Poses of the same particles."))
        result = self._checks.result(check)
        if result is not None:
            said = result.sentence
        else:
            missing = "" if can_start or going else f" {self._checks.needs(check)}"
            said = WHAT[check] + missing
        self.words.setText(on_screen(said))
        self._later()

    def _redraw(self, *_: Any) -> None:
        result = self._checks.result(self.chosen)
        if self.chosen == "Null test" and result is not None:
            self.plot.show(null_graph(result, self.picture.currentText()))
            return
        empty = "" if result is not None else "No figures yet: press Start."
        if result is not None:
            empty = f"Written: {result.folder.name}" if self.chosen == "Pseudo-symmetry" else " "
        self.plot.show(Graph("", "", (0, 1), (0, 1), (), (), empty=empty))

    def _on_start(self) -> None:
        if self._checks.going is not None:
            self._controller.pose_jobs.stop()
        elif self.chosen == "Null test":
            self._checks.null_test()
        elif self.chosen == "Pixel size":
            self._checks.pixel_size()
        elif self.chosen == "Pseudo-symmetry":
            self._checks.relax(self.symmetry.text().strip() or "C1")
        else:
            self._checks.hand(self._untilted, self.tilt.number(), self.axis.number())

    def _on_untilted(self) -> None:
        star = self._session.data.star_path
        folder = str(star.parent if star else Path.home())
        title = "Poses of the untilted images"
        text, _ = QFileDialog.getOpenFileName(self, title, folder, "Poses (*.star *.cs)")
        self._untilted = Path(text) if text else None
        self._pull()

    def _disconnect(self) -> None:
        for signal in self._signals:
            signal.disconnect(self._pull)
