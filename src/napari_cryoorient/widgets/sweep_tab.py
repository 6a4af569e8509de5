"""Error against w: of all runs shown, and of a sweep started here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from napari_cryoorient.figures import colour_of_w
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.sweeps import (
    MEASURES,
    SweepPoint,
    best_w,
    means_of,
    points_of,
)
from napari_cryoorient.settings import W_VALUES, W
from napari_cryoorient.viewer.curves import ticks
from napari_cryoorient.viewer.graph import Graph, GraphPlot, Line, Marker
from napari_cryoorient.viewer.napari_api import call_on_resize
from napari_cryoorient.widgets.canvas import Canvas

EMPTY = "No runs to compare yet. Sweep w trains one run for each w; Open… takes a folder of them."
GREY = (0.55, 0.58, 0.62, 1.0)


def sweep_graph(points: list[SweepPoint], title: str) -> Graph:
    """Lay out runs over w: a marker each, a line through the means, the best w ringed."""
    means, best = means_of(points), best_w(points)
    top = 1.08 * max((point.value for point in points), default=1.0)
    best_point = None
    if best is not None:
        at_best = [point for point in points if round(point.w, 6) == best]
        best_point = min(at_best, key=lambda point: point.value)
    label = "" if best is None else f"best w {best:.2f}"
    w, value = (np.array(column) for column in zip(*means, strict=True)) if means else ((), ())
    return Graph(
        "w",
        title,
        W.bounds(),
        (0.0, top),
        tuple((float(x), f"{x:g}") for x in np.linspace(*W.bounds(), 6).round(1)),
        tuple((float(y), f"{y:g}") for y in ticks(0.0, top, 3)),
        (Line(label, np.asarray(w), np.asarray(value), GREY),) if means else (),
        tuple(
            Marker(point.w, point.value, colour_of_w(point.w), point is best_point)
            for point in points
        ),
        empty=EMPTY,
    )


class SweepTab(Canvas):
    """Shows the runs of the session over w; a click on one opens it."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        session = controller.session
        super().__init__(session, parent)
        self._controller = controller
        self.plot = GraphPlot(self.model)
        self._points: list[SweepPoint] = []
        self.measure = QComboBox()
        for field, title in MEASURES.items():
            self.measure.addItem(title, field)
        self.open_button = QPushButton("Open…")
        self.open_button.setToolTip(
            "<p>A folder that <tt>napari-cryoorient sweep</tt> writes, or any folder of runs; "
            "followed while it grows.</p>"
        )
        self.values = QLineEdit(W_VALUES)
        self.values.setMaximumWidth(80)
        self.values.setToolTip("<p>Values of w: 0.1,0.5 or start:end:step.</p>")
        self.start_button = QPushButton("Sweep w")
        self.start_button.setToolTip(
            "<p>Trains one run for each w with the settings under 2 Train, in a process of its "
            "own. What it will cost is said there as soon as the first run shows its pace.</p>"
        )
        line = QHBoxLayout()
        line.addWidget(self.measure)
        line.addStretch(1)
        for widget in (self.open_button, self.values, self.start_button):
            line.addWidget(widget)
        self._column.addLayout(line)
        self._column.addWidget(self.qt_viewer, 1)
        self.measure.currentIndexChanged.connect(self._redraw)
        self.open_button.clicked.connect(self._on_open)
        self.start_button.clicked.connect(lambda: controller.sweeps.start(self.values.text()))
        self._signals = (
            session.run_changed,
            session.compared_changed,
            session.data_changed,
            controller.pose_jobs.changed,
        )
        for signal in self._signals:
            signal.connect(self._later)
        call_on_resize(self.model, self.qt_viewer, self._later)
        self.model.mouse_drag_callbacks.append(self._on_click)
        self._redraw()

    def _redraw(self, *_: Any) -> None:
        session = self._session
        self._points = points_of(session.shown_runs(), self.measure.currentData())
        self.plot.show(sweep_graph(self._points, self.measure.currentText()))
        is_free = not session.is_training and not self._controller.pose_jobs.is_going
        self.start_button.setEnabled(is_free and session.data.is_trainable)

    def _on_open(self) -> None:
        star = self._session.data.star_path
        start = str(star.parent if star else Path.home())
        text = QFileDialog.getExistingDirectory(self, "A sweep, or a folder of runs", start)
        if text:
            self._controller.comparison.add(Path(text))

    def _on_click(self, _viewer: Any, event: Any) -> Any:
        yield
        if event.type == "mouse_move":
            return
        index = self.plot.marker_at(*event.position[-2:])
        if index is not None:
            self._controller.open_beside(self._points[index].path)

    def _disconnect(self) -> None:
        for signal in self._signals:
            signal.disconnect(self._later)
