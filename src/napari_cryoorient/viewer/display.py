"""Keeps the viewer that shows the current particle in step with the session.

The viewer holds the layers made here and no others: nothing of the user's changes what a step of
its slider means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.triptych import Triptych

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Display:
    """Draws the session's inspection in a viewer of its own; the session says which particle."""

    problem_changed = Signal(str)  # why the image cannot be read; empty once it can

    def __init__(self, session: Session, viewer: ViewerModel) -> None:
        self._session = session
        self._viewer = viewer
        self._is_drawing = False
        self._problem = self._told = ""
        self.triptych = Triptych(viewer, self._on_problem)
        session.inspection_changed.connect(self._draw)
        session.low_pass_changed.connect(self._draw)
        session.blinked.connect(self.triptych.blink)
        session.particle_changed.connect(self._on_session_particle)
        viewer.dims.events.current_step.connect(self._on_slider)
        if len(session.inspection):
            self._draw()

    def close(self) -> None:
        """Leave session and viewer alone from now on."""
        session = self._session
        session.inspection_changed.disconnect(self._draw)
        session.low_pass_changed.disconnect(self._draw)
        session.blinked.disconnect(self.triptych.blink)
        session.particle_changed.disconnect(self._on_session_particle)
        self._viewer.dims.events.current_step.disconnect(self._on_slider)

    def reset_view(self) -> None:
        """Show the images with the grey levels and the zoom they had at first."""
        self.triptych.forget_view()
        self._draw()

    def _draw(self, *_: Any) -> None:
        """Show what there is; the slider's way through other lengths is no choice of the user."""
        self._is_drawing = True
        try:
            self.triptych.show(self._session.inspection, self._session.low_pass_angstrom)
        finally:
            self._is_drawing = False
        self._on_session_particle(self._session.particle)

    def _on_problem(self, sentence: str) -> None:
        self._problem = sentence

    def _announce(self) -> None:
        """Tell of an image that could not be read, once it has been drawn blank."""
        problem, self._problem = self._problem, ""
        if problem != self._told:
            self._told = problem
            self.problem_changed.emit(problem)

    def _on_session_particle(self, index: int) -> None:
        dims = self._viewer.dims
        if len(self._session.inspection) and dims.ndim >= 3 and dims.current_step[0] != index:
            dims.set_current_step(0, index)
        self._announce()

    def _on_slider(self, _event: Any = None) -> None:
        dims = self._viewer.dims
        if not self._is_drawing and len(self._session.inspection) and dims.ndim >= 3:
            self._session.set_particle(dims.current_step[0])
