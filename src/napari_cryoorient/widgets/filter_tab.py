"""The confidence threshold on a slider: particles kept, wrong poses expected, resolutions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget
from superqt.utils import signals_blocked

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.criteria import CRITERIA
from napari_cryoorient.session.filter_curves import Resolutions, kept_at
from napari_cryoorient.session.words import counted
from napari_cryoorient.viewer.curves import ticks
from napari_cryoorient.viewer.graph import Colour, Graph, GraphPlot, Line, Marker
from napari_cryoorient.viewer.napari_api import call_on_resize
from napari_cryoorient.widgets.canvas import Canvas
from napari_cryoorient.widgets.steady import SteadyLabel
from napari_cryoorient.widgets.threshold import ThresholdSlider

HALVES: Colour = (0.30, 0.67, 0.97, 1.0)
REFERENCE: Colour = (0.42, 0.85, 0.55, 1.0)
THRESHOLD: Colour = (0.99, 0.55, 0.24, 1.0)
EMPTY = "No curve yet. Compute makes half-maps of the particles above each of ten thresholds."
NO_CONFIDENCE = (
    "No particle says how sure its pose is: Search, Refine or a finished run under 2 Train gives "
    "it."
)


def filter_graph(found: Resolutions | None, n: int, n_kept: int, empty: str) -> Graph:
    """Lay out resolutions over particles kept, finer ones up, with a line at what is kept now."""
    if found is None:
        return Graph("", "", (0, 1), (0, 1), (), (), empty=empty)
    both = np.concatenate([found.half_map_angstrom, found.reference_angstrom])
    known = both[np.isfinite(both)]
    if not len(known):
        return Graph("", "", (0, 1), (0, 1), (), (), empty="Too few particles for half-maps.")
    coarse, fine = 1.03 * float(known.max()), 0.97 * float(known.min())
    lines, markers = [], []
    at_now = found.at(n_kept)
    for label, values, colour, now in (
        ("half-maps", found.half_map_angstrom, HALVES, at_now[0]),
        ("reference", found.reference_angstrom, REFERENCE, at_now[1]),
    ):
        is_known = np.isfinite(values)
        if is_known.any():
            order = np.argsort(found.kept[is_known])
            x = found.kept[is_known][order].astype(np.float64)
            lines.append(Line(label, x, values[is_known][order], colour))
        if np.isfinite(now):
            markers.append(Marker(n_kept, now, colour))
    here = np.array([n_kept, n_kept], dtype=np.float64)
    lines.append(Line("", here, np.array([coarse, fine]), THRESHOLD))
    return Graph(
        "kept",
        "resolution (Å)",
        (0.0, float(n)),
        (coarse, fine),
        tuple((float(x), f"{x:,.0f}") for x in ticks(0.0, float(n), 5)),
        tuple((float(y), f"{y:g}") for y in ticks(fine, coarse, 4)),
        tuple(lines),
        tuple(markers),
    )


class FilterTab(Canvas):
    """Moves the threshold of the whole window, and says what that costs and gains."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(controller.session, parent)
        self._controller = controller
        self._curves = controller.filter_curves
        self.plot = GraphPlot(self.model)
        self.slider = ThresholdSlider()
        self.slider.setToolTip("<p>Least confidence; the same as Keep only under 3 Inspect.</p>")
        self.best_button = QPushButton("Best")
        self.best_button.setToolTip(
            "<p>The threshold that keeps most of those whose half-maps are as fine as the "
            "finest.</p>"
        )
        self.all_button = QPushButton("All")
        self.all_button.setToolTip("<p>No threshold.</p>")
        self.compute_button = QPushButton("Compute")
        self.compute_button.setToolTip(
            "<p>Reconstructs half-maps for ten thresholds in one pass over the images, in a "
            "process of its own that can be stopped.</p>"
        )
        self.export_button = QPushButton("Export…")
        self.export_button.setToolTip(
            "<p>Writes the particles kept, as Selection… under 4 Export.</p>"
        )
        self.words = SteadyLabel(2)
        bar = QHBoxLayout()
        bar.addWidget(self.slider, 1)
        for button in (
            self.best_button,
            self.all_button,
            self.compute_button,
            self.export_button,
        ):
            bar.addWidget(button)
        self._column.addLayout(bar)
        self._column.addWidget(self.words)
        self._column.addWidget(self.qt_viewer, 1)
        self.slider.valueChanged.connect(
            lambda value: self._session.set_selection("confidence", value)
        )
        self.best_button.clicked.connect(self._on_best)
        self.all_button.clicked.connect(lambda: self._session.set_selection("confidence", None))
        self.compute_button.clicked.connect(self._on_compute)
        self.export_button.clicked.connect(self._on_export)
        self._signals = (
            self._session.inspection_changed,
            self._session.selection_changed,
            self._session.run_changed,
            controller.pose_jobs.changed,
            self._curves.changed,
        )
        for signal in self._signals:
            signal.connect(self._pull)
        call_on_resize(self.model, self.qt_viewer, self._later)
        self._values: object = None  # that the slider runs over
        self._pull()
        self._redraw()

    @property
    def threshold(self) -> float:
        """The least confidence in force; 0 where there is none."""
        session = self._session
        is_ours = session.criterion == "confidence" and session.threshold is not None
        return session.threshold if is_ours and session.threshold is not None else 0.0

    def _pull(self, *_: Any) -> None:
        confidence = self._curves.confidence
        has_any = confidence is not None
        self.slider.setEnabled(has_any)
        is_going = self._curves.is_going
        self.compute_button.setEnabled(is_going or self._curves.can_start)
        is_stopping = self._controller.pose_jobs.is_stopping
        stop = "Stopping…" if is_stopping else "Stop"
        self.compute_button.setText(stop if is_going else "Compute")
        self.best_button.setEnabled(self._curves.resolutions is not None)
        self.all_button.setEnabled(has_any and self.threshold > 0)
        n_chosen = len(self._session.selected())
        can_export = has_any and self._session.inspection.kind in ("poses", "predictions")
        self.export_button.setEnabled(can_export and n_chosen > 0)
        self.export_button.setText(f"Export ({n_chosen:,})…" if can_export else "Export…")
        if confidence is None:
            self.words.setText(NO_CONFIDENCE)
        else:
            with signals_blocked(self.slider):
                if self._values is not confidence:
                    self._values = confidence
                    measure = CRITERIA["confidence"]
                    self.slider.set_values(confidence, measure.format, measure.unit)
                self.slider.setValue(self.threshold)
            self.words.setText(self._sentence())
        self._later()

    def _sentence(self) -> str:
        confidence = self._curves.confidence
        assert confidence is not None
        kept = kept_at(confidence, self.threshold)
        share = kept.expected_wrong / max(kept.kept, 1)
        said = (
            f"{kept.kept:,} of {counted(kept.n, 'particle')} kept, {kept.expected_wrong:,.0f} of "
            f"them ({share:.1%}) expected to be wrong."
        )
        n_chosen = len(self._session.selected())
        if n_chosen != kept.kept:
            said += f" By micrographs and by hand {n_chosen:,} are left."
        found = self._curves.resolutions
        if found is None:
            return said
        half_map, reference = found.at(kept.kept)
        words = []
        if np.isfinite(half_map):
            words.append(f"half-maps agree to {half_map:.1f} Å (0.143)")
        if np.isfinite(reference):
            words.append(f"their mean and the map to {reference:.1f} Å (0.5)")
        tail = ", ".join(words) if words else "too few particles for half-maps"
        return f"{said} {tail[:1].upper()}{tail[1:]}."

    def _redraw(self, *_: Any) -> None:
        confidence, found = self._curves.confidence, self._curves.resolutions
        n = 0 if confidence is None else len(confidence)
        n_kept = 0 if confidence is None else kept_at(confidence, self.threshold).kept
        self.plot.show(filter_graph(found, n, n_kept, EMPTY))

    def _on_best(self) -> None:
        found = self._curves.resolutions
        if found is not None:
            self._session.set_selection(
                "confidence", float(np.floor(100 * found.best_threshold) / 100)
            )

    def _on_compute(self) -> None:
        if self._curves.is_going:
            self._controller.pose_jobs.stop()
        else:
            self._curves.start()

    def _on_export(self) -> None:
        star = self._session.data.star_path
        if star is None:
            return
        proposal = str(star.with_name(f"{star.stem}_kept.star"))
        text, _ = QFileDialog.getSaveFileName(
            self, "Export the particles kept", proposal, "STAR (*.star)"
        )
        if text:
            path = Path(text)
            path = path if path.suffix else path.with_name(path.name + ".star")
            self._controller.exports.poses(path, "kept")

    def _disconnect(self) -> None:
        for signal in self._signals:
            signal.disconnect(self._pull)
