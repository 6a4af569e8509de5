"""The one place that knows how napari's names differ between 0.6.6 and today.

napari 0.9 moved the camera to ``viewer.scene`` and the grid and the canvas size to
``viewer.canvas``, brought layer titles on the canvas and preferences of plugins. Everything else
here asks this module, and never a version number: what is there decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari import settings
from napari.layers import Image
from napari.utils.action_manager import action_manager

if TYPE_CHECKING:
    from napari.components import ViewerModel

Direction = tuple[float, float, float]
# The depth, vertical and horizontal axes: napari's own default shows the mirror image of a map.
RIGHT_HANDED = ("away", "down", "right")


@dataclass(frozen=True)
class Preferences:
    """What the user set in napari's Preferences; these defaults where napari has no such page."""

    device: str = "auto"
    project_dir: str = ""


def camera_of(viewer: ViewerModel) -> Any:
    """Return the camera: centre, zoom, angles, orientation."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera


def look_along(viewer: ViewerModel, view: Direction, up: Direction) -> None:
    """Turn the camera of a ``RIGHT_HANDED`` scene: ``view`` goes into the screen, both z y x."""
    if not hasattr(viewer, "scene"):
        # Before 0.9 the camera took z to come towards the eye, whatever its orientation said.
        view, up = (-view[0], *view[1:]), (-up[0], *up[1:])
    camera_of(viewer).set_view_direction(view_direction=view, up_direction=up)


def grid_of(viewer: ViewerModel) -> Any:
    """Return the settings of the grid that layers lie in."""
    return viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid


def canvas_size_of(viewer: ViewerModel) -> tuple[int, int]:
    """Return height and width of the canvas in pixels."""
    # Before 0.9 the size had no public name; those releases do not change any more.
    size = viewer.canvas.size if hasattr(viewer, "canvas") else viewer._canvas_size
    return int(size[0]), int(size[1])


def call_on_resize(viewer: ViewerModel, qt_viewer: Any, callback: Callable[..., None]) -> None:
    """Call back after the canvas has changed its size."""
    if hasattr(viewer, "canvas"):
        viewer.canvas.events.size.connect(callback)
    else:  # last: napari itself hears of it the same way, and has to come first
        qt_viewer.canvas.events.resize.connect(callback, position="last")


def muted_shortcuts() -> AbstractContextManager[Any]:
    """Keep listeners from hearing of each shortcut that a new canvas binds again, as it was.

    There are 350, and napari's welcome screens would be rewritten after each.
    """
    events = action_manager.events
    if not hasattr(events, "shortcut_changed"):  # before 0.9, which has no such screens
        return nullcontext()
    return events.shortcut_changed.blocker()  # type: ignore[no-any-return]


def draw_unseen(qt_viewer: Any) -> None:
    """Draw the canvas once where nobody sees it.

    The cells of a new grid get their sizes while they are drawn for the first time, which shows a
    few pixels of each image as large as the cell.
    """
    native = qt_viewer.canvas.native
    if native.isVisible() and hasattr(native, "grabFramebuffer"):
        native.grabFramebuffer()


def show_titles(viewer: ViewerModel, layers: Sequence[Image], font_size: float) -> None:
    """Write each layer's name in its cell; in napari before 0.7 all names in one line on top."""
    if hasattr(Image, "name_overlay"):
        for layer in layers:
            layer.name_overlay.visible = True
            layer.name_overlay.font_size = font_size
        return

    def write(_event: Any = None) -> None:
        viewer.text_overlay.text = "   |   ".join(layer.name for layer in layers)

    viewer.text_overlay.visible = bool(layers)
    viewer.text_overlay.font_size = font_size
    for layer in layers:
        layer.events.name.connect(write)
    write()


def preferences() -> Preferences:
    """Return what napari's Preferences say about this plugin."""
    if not hasattr(settings, "get_plugin_settings"):
        return Preferences()
    start = settings.get_plugin_settings("napari-cryoorient").start
    return Preferences(start.device, start.project_dir)
