"""Says on the canvas which particle is shown, counted from 1 as image names do.

napari's own slider counts from 0, which its label says too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cryoorient.session.session import Session

if TYPE_CHECKING:
    from napari.components import ViewerModel

POSITION, FONT_SIZE = "bottom_left", 10


class Caption:
    """Keeps a line of text in a corner of the viewer in step with the session."""

    def __init__(self, session: Session, viewer: ViewerModel) -> None:
        self._session = session
        self._overlay = viewer.canvas.overlays.text
        session.inspection_changed.connect(self._draw)
        session.particle_changed.connect(self._draw)
        self._draw()

    def close(self) -> None:
        """Take the line away and leave the session alone from now on."""
        self._session.inspection_changed.disconnect(self._draw)
        self._session.particle_changed.disconnect(self._draw)
        self._overlay.visible = False

    def _draw(self, *_: Any) -> None:
        inspection, index = self._session.inspection, self._session.particle
        if not len(inspection):
            self._overlay.visible = False
            return
        kind = "test particle" if inspection.kind == "preview" else "particle"
        self._overlay.text = f"{kind} {index + 1:,} of {len(inspection):,}"
        if not self._overlay.visible:
            self._overlay.position = POSITION
            self._overlay.font_size = FONT_SIZE
            self._overlay.visible = True
