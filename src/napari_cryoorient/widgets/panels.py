"""The tabs below the triptych: curves, viewing directions, a table of particles, the map.

Each canvas is a napari viewer of its own, made when its tab is first looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.widgets.canvas import Canvas
from napari_cryoorient.widgets.curves_panel import CurvesPanel
from napari_cryoorient.widgets.particle_panels import DirectionsPanel, MapPanel
from napari_cryoorient.widgets.table_panel import TablePanel


class Panels(QTabWidget):
    """All tabs; each is built when it is first shown."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        session = controller.session
        self.kinds: dict[str, Callable[[], Canvas | TablePanel]] = {
            "Curves": lambda: CurvesPanel(controller),
            "Directions": lambda: DirectionsPanel(session),
            "Table": lambda: TablePanel(session),
            "3D map": lambda: MapPanel(session),
        }
        self.built: dict[str, Canvas | TablePanel] = {}
        for name in self.kinds:
            holder = QWidget()
            layout = QVBoxLayout(holder)
            layout.setContentsMargins(0, 0, 0, 0)
            self.addTab(holder, name)
        self.currentChanged.connect(self._on_tab)
        self.setMinimumHeight(230)
        self._is_closed = False

    def show_panel(self, name: str) -> Canvas | TablePanel:
        """Bring a tab to the front, built if need be, and return its panel."""
        self.setCurrentIndex(list(self.kinds).index(name))
        self._on_tab(self.currentIndex())
        return self.built[name]

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Build the tab that is seen first."""
        super().showEvent(event)
        self._on_tab(self.currentIndex())

    def close_panels(self) -> None:
        """Let go of everything."""
        self._is_closed = True
        for panel in self.built.values():
            panel.close_canvas()

    def _on_tab(self, index: int) -> None:
        name = self.tabText(index)
        holder = self.widget(index)
        if name in self.built or holder is None or self._is_closed:
            return
        self.built[name] = self.kinds[name]()
        layout = holder.layout()
        if layout is not None:
            layout.addWidget(self.built[name])
