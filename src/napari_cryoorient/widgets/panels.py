"""The tabs below the triptych: curves, viewing directions, a table of particles, the map.

Each canvas is a napari viewer of its own, made when its tab is first looked at.
"""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.qt import QtViewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QTabWidget, QVBoxLayout, QWidget

from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.curves import QUANTITIES, CurvePlot
from napari_cryoorient.viewer.map_view import MapView
from napari_cryoorient.viewer.sphere import ViewSphere
from napari_cryoorient.widgets.table_panel import TablePanel

# A redraw takes some 40 ms: a few a second at most.
REDRAW_MS = 300


class Canvas(QWidget):
    """A napari canvas without its lists and buttons, redrawn at most a few times a second."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.model = ViewerModel()
        self.qt_viewer: QtViewer | None = QtViewer(self.model)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(2, 2, 2, 2)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REDRAW_MS)
        self._timer.timeout.connect(self._redraw)

    def close_canvas(self) -> None:
        """Let go of the session and of OpenGL."""
        self._timer.stop()
        self._disconnect()
        if self.qt_viewer is not None:
            self.qt_viewer.close()
            self.qt_viewer.deleteLater()
            self.qt_viewer = None

    def _later(self, *_: Any) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _redraw(self) -> None:
        raise NotImplementedError

    def _disconnect(self) -> None:
        raise NotImplementedError


class CurvesPanel(Canvas):
    """Curves of the run, one quantity at a time."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
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


class DirectionsPanel(Canvas):
    """The view sphere, linked to the particle slider both ways."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.sphere = ViewSphere(self.model)
        self.hint = QLabel()
        self._column.addWidget(self.hint)
        self._column.addWidget(self.qt_viewer, 1)
        self.model.mouse_drag_callbacks.append(self._on_click)
        session.inspection_changed.connect(self._later)
        session.selection_changed.connect(self._later)
        session.particle_changed.connect(self._on_particle)
        self.model.canvas.events.size.connect(self._on_size)
        self.sphere.fit()
        self._redraw()

    def _on_size(self, _event: Any = None) -> None:
        self.sphere.fit()

    def _redraw(self) -> None:
        session = self._session
        inspection = session.inspection
        self.sphere.show(inspection, session.criterion)
        self.sphere.show_kept(session.selection_mask())
        self._on_particle(session.particle)
        if inspection.values(session.criterion) is None:
            self.hint.setText("Viewing directions; click on one to see its particle.")
        else:
            self.hint.setText(
                f"Viewing directions coloured by {session.criterion}; click on one to see it."
            )

    def _on_particle(self, index: int) -> None:
        self.sphere.show_current(index)

    def _on_click(self, _viewer: Any, event: Any) -> Any:
        """Take the particle under the mouse, unless the mouse was dragged to turn the sphere."""
        is_dragged = False
        yield
        while event.type == "mouse_move":
            is_dragged = True
            yield
        index = None if is_dragged else self.sphere.picked(event)
        if index is not None:
            self._session.set_particle(index)

    def _disconnect(self) -> None:
        self._session.inspection_changed.disconnect(self._later)
        self._session.selection_changed.disconnect(self._later)
        self._session.particle_changed.disconnect(self._on_particle)


class MapPanel(Canvas):
    """The map in 3D, turned to the pose of the current particle."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.map_view = MapView(self.model)
        self._column.addWidget(QLabel("The map, seen as the current particle's pose sees it."))
        self._column.addWidget(self.qt_viewer, 1)
        self.model.canvas.events.size.connect(self._on_size)
        session.data_changed.connect(self._later)
        session.inspection_changed.connect(self._later)
        session.particle_changed.connect(self._on_particle)
        self._redraw()

    def _redraw(self) -> None:
        self.map_view.show(self._session.data.density)
        self._on_particle(self._session.particle)

    def _on_size(self, _event: Any = None) -> None:
        self.map_view.fit()

    def _on_particle(self, index: int) -> None:
        poses = self._session.inspection.shown_poses
        if poses is not None and index < len(poses) and self.map_view.layer is not None:
            self.map_view.turn_to(poses.rotations[index])

    def _disconnect(self) -> None:
        self._session.data_changed.disconnect(self._later)
        self._session.inspection_changed.disconnect(self._later)
        self._session.particle_changed.disconnect(self._on_particle)


class Panels(QTabWidget):
    """All tabs; each is built when it is first shown."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.kinds: dict[str, type[Canvas] | type[TablePanel]] = {
            "Curves": CurvesPanel,
            "Directions": DirectionsPanel,
            "Table": TablePanel,
            "3D map": MapPanel,
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
        self.built[name] = self.kinds[name](self._session)
        layout = holder.layout()
        if layout is not None:
            layout.addWidget(self.built[name])
