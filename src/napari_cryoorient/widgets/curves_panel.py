"""Curves of the run and of others beside it, one quantity at a time."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.viewer.curves import QUANTITIES, CurvePlot
from napari_cryoorient.widgets.canvas import Canvas


class CurvesPanel(Canvas):
    """Curves of the run, one quantity at a time."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        session = controller.session
        super().__init__(session, parent)
        self._controller = controller
        self.plot = CurvePlot(self.model)
        self.quantity = QComboBox()
        self.quantity.addItems(list(QUANTITIES))
        line = QHBoxLayout()
        line.addWidget(self.quantity)
        line.addWidget(QLabel("coloured by w: warm is 0, cold is 1"))
        line.addStretch(1)
        self._column.addLayout(line)
        self._column.addWidget(self.qt_viewer, 1)
        self.quantity.currentTextChanged.connect(self._on_quantity)
        session.run_changed.connect(self._later)
        self.model.canvas.events.size.connect(self._later)
        self._redraw()

    def _on_quantity(self, name: str) -> None:
        self.plot.quantity = name
        self._redraw()

    def _redraw(self) -> None:
        run = self._session.run
        self.plot.show([] if run is None else [run])

    def _disconnect(self) -> None:
        self._session.run_changed.disconnect(self._later)
