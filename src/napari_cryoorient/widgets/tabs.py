"""Below the triptych, side by side: curves and table; viewing directions and the map in 3D.

Each canvas is a napari viewer of its own, made when its tab is first looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QSplitter, QTabWidget, QVBoxLayout, QWidget

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.widgets.canvas import Canvas
from napari_cryoorient.widgets.checks_tab import ChecksTab
from napari_cryoorient.widgets.compare_tab import CompareTab
from napari_cryoorient.widgets.curves_tab import CurvesTab
from napari_cryoorient.widgets.filter_tab import FilterTab
from napari_cryoorient.widgets.micrographs_tab import MicrographsTab
from napari_cryoorient.widgets.orientations_tab import OrientationsTab
from napari_cryoorient.widgets.particle_tabs import DirectionsTab, MapTab
from napari_cryoorient.widgets.shells_tab import ShellsTab
from napari_cryoorient.widgets.sweep_tab import SweepTab
from napari_cryoorient.widgets.table_tab import TableTab

Tab = Canvas | TableTab | CompareTab
MIN_HEIGHT, MIN_WIDTH = 230, 180  # px; of a side
LEFT_SHARE, RIGHT_SHARE = 3, 2  # curves are wider than a sphere


class Tabs(QSplitter):
    """Two sides of tabs; each tab is built when it is first shown."""

    made = Signal(object)  # a tab that was looked at for the first time

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        session = controller.session
        self.kinds: dict[str, Callable[[], Tab]] = {
            "Curves": lambda: CurvesTab(controller),
            "Table": lambda: TableTab(session),
            "Sweep": lambda: SweepTab(controller),
            "FSC": lambda: ShellsTab(controller),
            "Compare": lambda: CompareTab(controller),
            "Micrographs": lambda: MicrographsTab(controller),
            "Filter": lambda: FilterTab(controller),
            "Checks": lambda: ChecksTab(controller),
            "Directions": lambda: DirectionsTab(session),
            "3D map": lambda: MapTab(session),
            "Orientations": lambda: OrientationsTab(controller),
        }
        self.built: dict[str, Tab] = {}
        self._is_closed = False
        self.setChildrenCollapsible(False)
        self.setMinimumHeight(MIN_HEIGHT)
        on_the_right = ("Directions", "3D map", "Orientations")
        self.sides = (self._side(), self._side())
        for name in self.kinds:
            holder = QWidget()
            layout = QVBoxLayout(holder)
            layout.setContentsMargins(0, 0, 0, 0)
            self.sides[name in on_the_right].addTab(holder, name)
        self.setStretchFactor(0, LEFT_SHARE)
        self.setStretchFactor(1, RIGHT_SHARE)
        self.setSizes([LEFT_SHARE * MIN_WIDTH, RIGHT_SHARE * MIN_WIDTH])
        for side in self.sides:
            side.currentChanged.connect(self._on_tab)

    def show_tab(self, name: str) -> Tab:
        """Bring a tab to the front, built if need be, and return it."""
        self._bring_to_front(name)
        self._build(name)
        return self.built[name]

    def _bring_to_front(self, name: str) -> None:
        for side in self.sides:
            for index in range(side.count()):
                if side.tabText(index) == name:
                    side.setCurrentIndex(index)

    @property
    def in_front(self) -> list[str]:
        """The tabs that are in front, left and right."""
        return [side.tabText(side.currentIndex()) for side in self.sides]

    def put_back(self, sizes: Any, in_front: Any) -> None:
        """Take sizes in pixels and tabs from an earlier day, as far as they make sense."""
        are_sizes = isinstance(sizes, list) and len(sizes) == len(self.sides)
        if are_sizes and all(isinstance(size, int) and size > 0 for size in sizes):
            self.setSizes(sizes)
        for name in in_front if isinstance(in_front, list) else []:
            if name in self.kinds:
                self._bring_to_front(name)

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Build the tabs that are seen first."""
        super().showEvent(event)
        self._on_tab()

    def close_tabs(self) -> None:
        """Let go of everything."""
        if self._is_closed:
            return
        self._is_closed = True
        for tab in self.built.values():
            tab.close_canvas()

    def _side(self) -> QTabWidget:
        side = QTabWidget()
        side.setMinimumWidth(MIN_WIDTH)
        self.addWidget(side)
        return side

    def _on_tab(self, _index: int = 0) -> None:
        if self.isVisible():
            for name in self.in_front:
                self._build(name)

    def _build(self, name: str) -> None:
        if name in self.built or self._is_closed:
            return
        self.built[name] = self.kinds[name]()
        self.made.emit(self.built[name])
        for side in self.sides:
            for index in range(side.count()):
                holder = side.widget(index)
                layout = None if holder is None else holder.layout()
                if side.tabText(index) == name and layout is not None:
                    layout.addWidget(self.built[name])
