"""Are there enough views: where they are, what they sample, what to do about it, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_cryoorient.particles import Floats
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.orientations import Report
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.viewer.graph import Colour, Graph, GraphPlot, Line, Marker
from napari_cryoorient.viewer.napari_api import call_on_resize
from napari_cryoorient.widgets.canvas import Canvas
from napari_cryoorient.widgets.data_section import MAP_PATTERN
from napari_cryoorient.widgets.steady import SteadyLabel

BLUE: Colour = (0.30, 0.67, 0.97, 1.0)
WORST: Colour = (0.99, 0.55, 0.24, 1.0)
SUFFICIENT = 0.81
EMPTY = (
    "No report yet. Compute counts the views, without images; half-maps add the resolution in each "
    "direction."
)
PICTURES = ("Views", "Tilts", "Half-maps")
_N_STEPS = 8  # of Newton's method, for Mollweide's angle


def mollweide(directions: Floats) -> tuple[Floats, Floats]:
    """Return x from -2 to 2 and y from -1 to 1 of unit vectors ``(m, 3)``, areas kept."""
    longitude = np.arctan2(directions[:, 1], directions[:, 0])
    sine = np.clip(directions[:, 2], -1, 1)
    angle = np.arcsin(sine)
    for _ in range(_N_STEPS):
        slope = np.maximum(2 + 2 * np.cos(2 * angle), 1e-6)
        angle = angle - (2 * angle + np.sin(2 * angle) - np.pi * sine) / slope
    return 2 / np.pi * longitude * np.cos(angle), np.sin(angle)


def views_graph(report: Report) -> Graph:
    """Lay out a dot for each bin of views, from dark (none) to bright (many)."""
    from napari_cryoorient.geometry.healpix import centres

    counts = report.view_counts
    x, y = mollweide(centres(round((len(counts) / 12) ** 0.5)))
    colours = colormaps["viridis"](counts / max(float(np.quantile(counts, 0.99)), 1.0))
    markers = tuple(
        Marker(float(a), float(b), (float(red), float(green), float(blue), 1.0))
        for a, b, (red, green, blue, _) in zip(x, y, colours, strict=True)
    )
    title = f"Views: up to {counts.max() / max(counts.mean(), 1e-9):.1f} times their mean"
    return Graph("", title, (-2, 2), (-1, 1), (), (), (), markers, has_axes=False)


def tilts_graph(report: Report) -> Graph:
    """Lay out SCF* over the tilt of the stage, with the level that is enough."""
    tilts, values = report.scf_star_by_tilt
    return Graph(
        "tilt (°)",
        "SCF* if the stage were tilted",
        (0.0, float(tilts.max())),
        (0.0, 1.0),
        tuple((float(tilt), f"{tilt:g}") for tilt in tilts),
        ((0.0, "0"), (SUFFICIENT, f"{SUFFICIENT:g}"), (1.0, "1")),
        (Line("", tilts, values, BLUE),),
        tuple(Marker(float(x), float(y), BLUE) for x, y in zip(tilts, values, strict=True)),
        levels=(SUFFICIENT,),
    )


def half_maps_graph(report: Report) -> Graph:
    """Lay out the FSC in the best and in the worst direction."""
    curves = report.figures["conical_fsc"]
    x = np.array(curves["frequencies_per_angstrom"], dtype=np.float64)
    lines = [
        Line(f"{name} cone", x, np.nan_to_num(np.array(curves[name], dtype=np.float64)), colour)
        for name, colour in (("best", BLUE), ("worst", WORST))
    ]
    low = min(0.0, *(float(line.y.min()) for line in lines))
    at = np.linspace(0, float(x[-1]), 5)[1:]
    return Graph(
        "resolution (Å)",
        "FSC by direction",
        (0.0, float(x[-1])),
        (low, 1.02),
        tuple((float(f), f"{1 / f:.1f}") for f in at),
        ((0.143, "0.143"), (1.0, "1")),
        tuple(lines),
        levels=(0.143,),
    )


class OrientationsTab(Canvas):
    """Starts the report, shows one picture of it at a time, and saves its page."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(controller.session, parent)
        self._controller = controller
        self._orientations = controller.orientations
        self.plot = GraphPlot(self.model)
        self.picture = QComboBox()
        self.picture.setAccessibleName("Picture of the report")
        self.picture.addItems(list(PICTURES))
        self.halves_button = QPushButton("Half-maps…")
        self.halves_button.setToolTip(
            "<p>Two half-maps, for the FSC in all directions (cFAR), within a mask found from "
            "both.</p>"
        )
        self.compute_button = QPushButton("Compute")
        self.compute_button.setToolTip(
            "<p>Judges the particles kept, in a process of its own that can be stopped.</p>"
        )
        self.page_button = QPushButton("Page…")
        self.page_button.setToolTip("<p>Draws the whole report on a page, PDF or PNG.</p>")
        self.words = SteadyLabel(4)
        bar = QHBoxLayout()
        bar.addWidget(self.picture, 1)
        for button in (self.halves_button, self.compute_button, self.page_button):
            bar.addWidget(button)
        self._column.addLayout(bar)
        self._column.addWidget(self.words)
        self._column.addWidget(self.qt_viewer, 1)
        self.picture.currentIndexChanged.connect(self._later)
        self.halves_button.clicked.connect(self._on_halves)
        self.compute_button.clicked.connect(self._on_compute)
        self.page_button.clicked.connect(self._on_page)
        self._signals = (
            self._orientations.changed,
            self._session.inspection_changed,
            self._session.run_changed,
            controller.pose_jobs.changed,
        )
        for signal in self._signals:
            signal.connect(self._pull)
        call_on_resize(self.model, self.qt_viewer, self._later)
        self._pull()
        self._redraw()

    def _pull(self, *_: Any) -> None:
        orientations = self._orientations
        report, is_going = orientations.report, orientations.is_going
        self.compute_button.setEnabled(is_going or orientations.can_start)
        is_stopping = self._controller.pose_jobs.is_stopping
        stop = "Stopping…" if is_stopping else "Stop"
        self.compute_button.setText(stop if is_going else "Compute")
        self.page_button.setEnabled(report is not None and orientations.can_start)
        halves = orientations.half_maps
        self.halves_button.setText("Half-maps…" if halves is None else "Half-maps \N{CHECK MARK}…")
        self.words.setVisible(report is not None)
        if report is not None:
            self.words.setText(on_screen(f"{report.words()} {report.figures['advice']}"))
        self._later()

    def _redraw(self, *_: Any) -> None:
        report, picture = self._orientations.report, self.picture.currentText()
        if report is None:
            graph = Graph("", "", (0, 1), (0, 1), (), (), empty=EMPTY)
        elif picture == "Views":
            graph = views_graph(report)
        elif picture == "Tilts":
            graph = tilts_graph(report)
        elif report.has_half_maps:
            graph = half_maps_graph(report)
        else:
            empty = "No half-maps were given: choose two, and press Compute once more."
            graph = Graph("", "", (0, 1), (0, 1), (), (), empty=empty)
        self.plot.show(graph)

    def _folder(self) -> Path:
        star = self._session.data.star_path
        return star.parent if star else Path.home()

    def _on_halves(self) -> None:
        title = "Two half-maps"
        chosen, _ = QFileDialog.getOpenFileNames(self, title, str(self._folder()), MAP_PATTERN)
        if len(chosen) == 1:
            second, _ = QFileDialog.getOpenFileName(
                self, "The other half-map", chosen[0], MAP_PATTERN
            )
            chosen = [*chosen, second] if second else []
        if len(chosen) == 2:
            self._orientations.half_maps = Path(chosen[0]), Path(chosen[1])
            self._pull()

    def _on_compute(self) -> None:
        if self._orientations.is_going:
            self._controller.pose_jobs.stop()
        else:
            self._orientations.start()

    def _on_page(self) -> None:
        text, _ = QFileDialog.getSaveFileName(
            self,
            "Draw the report on a page",
            str(self._folder() / "orientations.pdf"),
            "PDF (*.pdf);;Picture (*.png)",
        )
        if text:
            path = Path(text)
            path = path if path.suffix else path.with_name(path.name + ".pdf")
            self._orientations.save_page(path)

    def _disconnect(self) -> None:
        for signal in self._signals:
            signal.disconnect(self._pull)
