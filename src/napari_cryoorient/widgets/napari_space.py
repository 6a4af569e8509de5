"""napari's own canvas and lists, folded away while there is nothing of the user's in them.

Particles are shown in a canvas of the plugin's own. napari's comes back, with its layer list, as
soon as a layer is added to it, and when the plugin is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

if TYPE_CHECKING:
    import napari

LISTS = ("layer list", "layer controls")
_ACROSS, _DOWN = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
OWN_SHARE = 0.62  # of the window's height for the plugin beside a canvas of the user's


class NapariSpace:
    """Shows and hides napari's canvas with the user's layers."""

    def __init__(self, window: QMainWindow, viewer: napari.viewer.Viewer) -> None:
        self._window = window
        self._layers = viewer.layers
        self._hidden: list[QWidget] = []
        self._layers.events.inserted.connect(self.update)
        self._layers.events.removed.connect(self.update)
        self.update()

    @property
    def is_folded(self) -> bool:
        """Whether napari's canvas is hidden."""
        return bool(self._hidden)

    def update(self, _event: Any = None) -> None:
        """Show what there is to show."""
        if len(self._layers):
            self.unfold()
        elif not self.is_folded:
            self._fold()

    def unfold(self) -> None:
        """Bring back what was hidden here."""
        hidden, self._hidden = self._hidden, []
        for widget in hidden:
            widget.show()

    def make_room(self, panel: QDockWidget | None, drawn: QDockWidget | None) -> None:
        """Let the panel be as narrow as it can, and what is drawn take the rest."""
        if panel is not None and not panel.isFloating():
            self._window.resizeDocks([panel], [panel.minimumSizeHint().width()], _ACROSS)
        if drawn is not None and not drawn.isFloating():
            share = 1.0 if self.is_folded else OWN_SHARE
            self._window.resizeDocks([drawn], [round(share * self._window.height())], _DOWN)

    def close(self) -> None:
        """Leave napari's window as it was."""
        self._layers.events.inserted.disconnect(self.update)
        self._layers.events.removed.disconnect(self.update)
        self.unfold()

    def _fold(self) -> None:
        docks = [d for d in self._window.findChildren(QDockWidget) if d.objectName() in LISTS]
        central = self._window.centralWidget()
        found = [*docks, *([central] if central is not None else [])]
        self._hidden = [widget for widget in found if not widget.isHidden()]
        for widget in self._hidden:
            widget.hide()
