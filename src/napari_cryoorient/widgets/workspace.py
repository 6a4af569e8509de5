"""The particle above, the tabs with curves and directions below: all that is drawn, in one dock."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QSplitter, QWidget

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.widgets.particle_images import ParticleImages
from napari_cryoorient.widgets.tabs import Tabs

TITLE = "CryoOrient: particles and plots"
ABOVE, BELOW = 11, 9  # how they share the height at first


class Workspace(QSplitter):
    """Two parts with a line between them to be dragged."""

    taken_out = Signal()  # of its dock, by the user

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        self._is_docked = parent is not None
        super().__init__(Qt.Orientation.Vertical, parent)
        self.particles = ParticleImages(controller)
        self.tabs = Tabs(controller)
        self.addWidget(self.particles)
        self.addWidget(self.tabs)
        self.setChildrenCollapsible(False)
        self.setStretchFactor(0, ABOVE)
        self.setStretchFactor(1, BELOW)
        self.setSizes([100 * ABOVE, 100 * BELOW])

    def put_back(self, heights: Any) -> None:
        """Take heights in pixels from an earlier day, as far as they make sense."""
        are_heights = isinstance(heights, list) and len(heights) == self.count()
        if are_heights and all(isinstance(height, int) and height > 0 for height in heights):
            self.setSizes(heights)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Tell when the dock that held it was closed."""
        super().changeEvent(event)
        if event is None or event.type() != QEvent.Type.ParentChange:
            return
        was_docked, self._is_docked = self._is_docked, self.parent() is not None
        if was_docked and not self._is_docked:
            self.taken_out.emit()

    def close_all(self) -> None:
        """Let go of everything."""
        self.particles.close_canvas()
        self.tabs.close_tabs()
