"""Fourier shell correlation of two maps, and where it falls below 0.5 and 0.143."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.shells import THRESHOLDS, NamedCurve
from napari_cryoorient.viewer.graph import Colour, Graph, GraphPlot, Line
from napari_cryoorient.viewer.napari_api import call_on_resize
from napari_cryoorient.widgets.canvas import Canvas
from napari_cryoorient.widgets.data_section import MAP_PATTERN

COLOURS: tuple[Colour, ...] = (
    (0.30, 0.67, 0.97, 1.0),
    (0.99, 0.55, 0.24, 1.0),
    (0.42, 0.85, 0.55, 1.0),
    (0.90, 0.60, 0.90, 1.0),
)
ROUND_ANGSTROM = (100, 50, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3.5, 3, 2.5, 2, 1.5, 1)
N_TICKS = 5
LONGEST_LABEL = 12
EMPTY = "No curve yet. Two maps… correlates half-maps, or map and reference; Curve… opens one."


def shells_graph(curves: Sequence[NamedCurve]) -> Graph:
    """Lay out curves over frequency, the axis marked with resolutions in angstrom."""
    high = max((float(each.curve.frequencies[-1]) for each in curves), default=0.1)
    low = min((float(np.nanmin(each.curve.best)) for each in curves), default=0.0)
    lines = []
    for i, each in enumerate(curves):
        known = np.isfinite(each.curve.best)
        label = (
            each.label
            if len(each.label) <= LONGEST_LABEL
            else each.label[: LONGEST_LABEL - 1] + "…"
        )
        x, y = each.curve.frequencies[known], each.curve.best[known]
        lines.append(Line(label, x, y, COLOURS[i % len(COLOURS)]))
    y_ticks = [*((level, f"{level:g}") for level in THRESHOLDS), (1.0, "1")]
    return Graph(
        "resolution (Å)",
        "Fourier shell correlation",
        (0.0, high),
        (min(low, 0.0), 1.02),
        _resolution_ticks(high),
        tuple(y_ticks),
        tuple(lines),
        levels=(*THRESHOLDS, *((0.0,) if low < 0 else ())),
        empty=EMPTY,
    )


def _resolution_ticks(high: float) -> tuple[tuple[float, str], ...]:
    """Return round resolutions that keep apart on an axis of frequencies up to ``high``."""
    kept: list[tuple[float, str]] = []
    for angstrom in ROUND_ANGSTROM:
        frequency = 1.0 / angstrom
        last = kept[-1][0] if kept else 0.0
        if frequency <= high * 1.001 and frequency - last >= high / (N_TICKS + 1):
            kept.append((frequency, f"{angstrom:g}"))
    return tuple(kept)


class ShellsTab(Canvas):
    """Shows the curves; the line above says their resolutions."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(controller.session, parent)
        self._shells = controller.shells
        self.plot = GraphPlot(self.model)
        self.maps_button = QPushButton("Two maps…")
        self.maps_button.setToolTip("<p>Two half-maps, or a map and its reference.</p>")
        self.mask_box = QCheckBox("Mask")
        self.mask_box.setToolTip(
            "<p>Correlate within a soft mask found from both maps; what the mask itself "
            "correlates is taken off.</p>"
        )
        self.curve_button = QPushButton("Curve…")
        self.curve_button.setToolTip(
            "<p>A table or JSON that <tt>napari-cryoorient fsc</tt> wrote.</p>"
        )
        self.clear_button = QPushButton("Clear")
        self.words = QLabel()
        self.words.setWordWrap(True)
        line = QHBoxLayout()
        line.addWidget(self.maps_button)
        line.addWidget(self.mask_box)
        line.addStretch(1)
        line.addWidget(self.curve_button)
        line.addWidget(self.clear_button)
        self._column.addLayout(line)
        self._column.addWidget(self.words)
        self._column.addWidget(self.qt_viewer, 1)
        self.maps_button.clicked.connect(self._on_maps)
        self.curve_button.clicked.connect(self._on_curve)
        self.clear_button.clicked.connect(lambda: self._shells.clear())
        self._shells.changed.connect(self._later)
        call_on_resize(self.model, self.qt_viewer, self._later)
        self._redraw()

    def _redraw(self, *_: Any) -> None:
        curves = self._shells.curves
        self.plot.show(shells_graph(curves))
        self.words.setText("\n".join(f"{each.label}: {each.resolutions()}" for each in curves[-2:]))
        self.words.setVisible(bool(curves))
        self.clear_button.setEnabled(bool(curves))

    def _folder(self) -> str:
        map_path = self._session.data.map_path
        return str(map_path.parent if map_path else Path.home())

    def _on_maps(self) -> None:
        """Take two maps at once, or one after the other."""
        title = "Two maps to compare"
        chosen, _ = QFileDialog.getOpenFileNames(self, title, self._folder(), MAP_PATTERN)
        if len(chosen) == 1:
            second, _ = QFileDialog.getOpenFileName(
                self, f"The map to compare {Path(chosen[0]).name} with", chosen[0], MAP_PATTERN
            )
            chosen = [*chosen, second] if second else []
        if len(chosen) >= 2:
            a, b = (Path(text) for text in chosen[:2])
            self._shells.compare(a, b, with_mask=self.mask_box.isChecked())

    def _on_curve(self) -> None:
        text, _ = QFileDialog.getOpenFileName(
            self, "An FSC curve", self._folder(), "FSC curves (*.csv *.json)"
        )
        if text:
            self._shells.open(Path(text))

    def _disconnect(self) -> None:
        self._shells.changed.disconnect(self._later)
