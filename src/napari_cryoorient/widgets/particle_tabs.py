"""Two tabs that show the current particle among all: viewing directions, and the map in 3D."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QWidget

from napari_cryoorient.session.criteria import figure_of
from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.map_view import MapView
from napari_cryoorient.viewer.napari_api import call_on_resize
from napari_cryoorient.viewer.sphere import ViewSphere
from napari_cryoorient.widgets.canvas import Canvas
from napari_cryoorient.widgets.elided import ElidedLabel


class DirectionsTab(Canvas):
    """The view sphere, linked to the particle slider both ways."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.sphere = ViewSphere(self.model)
        self.hint = ElidedLabel(is_sentence=True)
        self._column.addWidget(self.hint)
        self._column.addWidget(self.qt_viewer, 1)
        self.model.mouse_drag_callbacks.append(self._on_click)
        session.inspection_changed.connect(self._later)
        session.selection_changed.connect(self._later)
        session.particle_changed.connect(self._mark_later)
        call_on_resize(self.model, self.qt_viewer, self._on_size)
        self.sphere.fit()
        self._redraw()

    def _on_size(self, _event: Any = None) -> None:
        self.sphere.fit()

    def _redraw(self) -> None:
        session = self._session
        inspection = session.inspection
        self.sphere.show(inspection, session.criterion, session.selection_mask())
        self._mark()
        ends = self.sphere.colour_ends
        if inspection.shown_poses is None:
            self.hint.setText("No poses yet: train or search under 2 Train.")
        elif ends is None:
            self.hint.setText("Click on a particle to see it.")
        else:
            good, bad = (figure_of(session.criterion, value) for value in ends)
            self.hint.setText(f"{session.criterion.capitalize()}: blue {good}, red {bad}")
        if self.sphere.is_sample:
            n_drawn = len(self.sphere.points.data)
            self.hint.setText(f"{n_drawn:,} drawn. {self.hint.text()}")

    def _mark(self) -> None:
        self.sphere.show_current(self._session.particle)

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
        self._session.particle_changed.disconnect(self._mark_later)


class MapTab(Canvas):
    """The map in 3D, turned to the pose of the current particle."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.map_view = MapView(self.model)
        self.hint = ElidedLabel(is_sentence=True)
        self._column.addWidget(self.hint)
        self._column.addWidget(self.qt_viewer, 1)
        call_on_resize(self.model, self.qt_viewer, self._on_size)
        session.data_changed.connect(self._later)
        session.inspection_changed.connect(self._later)
        session.particle_changed.connect(self._mark_later)
        self._redraw()

    def _redraw(self) -> None:
        session = self._session
        self.map_view.show(session.data.density)
        if session.data.density is None:
            self.hint.setText("No map yet: choose one under 1 Data.")
        elif session.inspection.shown_poses is None:
            self.hint.setText("The map; with poses it turns with the particle.")
        else:
            self.hint.setText("The map from the direction of the current pose.")
        self._mark()

    def _on_size(self, _event: Any = None) -> None:
        self.map_view.fit()

    def _mark(self) -> None:
        poses, index = self._session.inspection.shown_poses, self._session.particle
        if poses is not None and index < len(poses) and self.map_view.layer is not None:
            self.map_view.turn_to(poses.rotations[index])

    def _disconnect(self) -> None:
        self._session.data_changed.disconnect(self._later)
        self._session.inspection_changed.disconnect(self._later)
        self._session.particle_changed.disconnect(self._mark_later)
