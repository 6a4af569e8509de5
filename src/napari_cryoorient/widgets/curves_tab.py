"""Curves of the run and of others beside it, one quantity at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtGui import QAction  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QWidget,
)

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.viewer.curves import QUANTITIES, CurvePlot
from napari_cryoorient.viewer.napari_api import call_on_resize
from napari_cryoorient.widgets.canvas import Canvas

PATTERNS = {
    "Table (*.csv)": ".csv",
    "The run's metrics.jsonl (*.jsonl)": ".jsonl",
    "Picture (*.png)": ".png",
    "Vector picture (*.svg)": ".svg",
}


class CurvesTab(Canvas):
    """Curves of the runs shown; a click on one opens its run."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        session = controller.session
        super().__init__(session, parent)
        self._controller = controller
        self.plot = CurvePlot(self.model)
        self.quantity = QComboBox()
        self.quantity.addItems(list(QUANTITIES))
        self.quantity.setAccessibleName("What the curves show")
        self.quantity.setMinimumContentsLength(6)  # a narrow window does not cut "RMSE"
        self.quantity.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        menu = QMenu(self)
        self.add_action = QAction("Add a run or a folder of runs…", self)
        self.neighbours_action = QAction("Show all runs beside this one", self)
        self.clear_action = QAction("Show this run only", self)
        menu.addActions([self.add_action, self.neighbours_action, self.clear_action])
        self.runs_button = QPushButton("Runs")
        self.runs_button.setMenu(menu)
        self.runs_button.setToolTip(
            "<p>Show other runs beside this one. Colours show w; a click on a curve opens its "
            "run.</p>"
        )
        self.export_button = QPushButton("Export…")
        self.export_button.setToolTip(
            "<p>Metrics as a table (CSV), as metrics.jsonl, or as a picture (PNG, SVG).</p>"
        )
        line = QHBoxLayout()
        line.addWidget(self.quantity)
        line.addStretch(1)
        line.addWidget(self.runs_button)
        line.addWidget(self.export_button)
        self._column.addLayout(line)
        self._column.addWidget(self.qt_viewer, 1)
        self.quantity.currentTextChanged.connect(self._on_quantity)
        self.add_action.triggered.connect(self._on_add)
        self.neighbours_action.triggered.connect(lambda: controller.comparison.add_neighbours())
        self.clear_action.triggered.connect(lambda: controller.comparison.clear())
        self.export_button.clicked.connect(self._on_export)
        session.run_changed.connect(self._later)
        session.compared_changed.connect(self._later)
        call_on_resize(self.model, self.qt_viewer, self._later)
        self.model.mouse_drag_callbacks.append(self._on_click)
        self._redraw()

    def _on_quantity(self, name: str) -> None:
        self.plot.quantity = name
        self._redraw()

    def _redraw(self) -> None:
        runs = self._session.shown_runs()
        self.plot.show(runs)
        self.neighbours_action.setEnabled(self._session.run is not None)
        self.clear_action.setEnabled(bool(self._session.compared))
        self.export_button.setEnabled(any(run.metrics for run in runs))

    def _on_click(self, _viewer: Any, event: Any) -> Any:
        """Open the run whose curve was clicked on, unless the mouse was dragged."""
        yield
        if event.type == "mouse_move":
            return
        path = self.plot.run_at(*event.position[-2:])
        run = self._session.run
        if path is not None and (run is None or path.resolve() != run.path.resolve()):
            self._controller.open_beside(path)

    def _on_add(self) -> None:
        run, star = self._session.run, self._session.data.star_path
        start = run.path.parent if run is not None else star.parent if star else Path.home()
        text = QFileDialog.getExistingDirectory(self, "A run, or a folder of runs", str(start))
        if text:
            self._controller.comparison.add(Path(text))

    def _on_export(self) -> None:
        runs = self._session.shown_runs()
        folder = runs[-1].path.parent
        name = f"{runs[-1].path.name}_metrics.csv" if len(runs) == 1 else "runs_metrics.csv"
        text, pattern = QFileDialog.getSaveFileName(
            self, "Export metrics", str(folder / name), ";;".join(PATTERNS)
        )
        if text:
            path = Path(text)
            if path.suffix.lower() not in PATTERNS.values():
                path = path.with_name(path.name + PATTERNS.get(pattern, ".csv"))
            self._controller.comparison.export(path)

    def _disconnect(self) -> None:
        self._session.run_changed.disconnect(self._later)
        self._session.compared_changed.disconnect(self._later)
