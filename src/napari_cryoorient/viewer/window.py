"""A napari window with the panel in it and a run or a stack loaded; pictures of such a window."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.image import imsave

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.session.data import load_data
from napari_cryoorient.viewer.qt_binding import prefer_new_binding
from napari_cryoorient.viewer.readers import PARTICLE_SUFFIXES
from napari_cryoorient.viewer.show import layers_of, show

if TYPE_CHECKING:
    import napari

PLUGIN, PANEL = "napari-cryoorient", "CryoOrient"
WINDOW_SIZE = (1366, 768)  # px; a small laptop's screen, at least
PATIENCE_S = 120.0
SETTLED_S = 2.0  # without anything new in the window


def open_window(
    path: Path,
    map_path: Path | None = None,
    *,
    pixel_size_angstrom: float | None = None,
    project_dir: Path | None = None,
    picture: Path | None = None,
) -> None:
    """Open napari with a run or a STAR file in the panel, or with a map or stack as a layer.

    Waits until the window is closed; with ``picture`` it is closed once all is in place and saved
    there as a PNG.

    Raises:
        InputError: for what cannot be shown, before a window opens.

    """
    fill = _contents(path, map_path, pixel_size_angstrom, project_dir)
    prefer_new_binding()
    import napari
    import torch  # noqa: F401  # before Qt: on Windows some releases fail the other way round

    viewer = napari.Viewer(title=f"{path.name} - napari-cryoorient")
    _, _, width, height = viewer.window.geometry()
    if picture is not None:
        width, height = WINDOW_SIZE
    # napari's first size leaves no room for a panel.
    viewer.window.resize(max(width, WINDOW_SIZE[0]), max(height, WINDOW_SIZE[1]))
    dock = fill(viewer)
    if picture is None:
        napari.run()
        return
    try:
        if dock is not None:
            _wait_until_idle(dock)
        _rest(SETTLED_S)
        pixels = viewer.window.screenshot(flash=False, canvas_only=False)
        with atomic_path(picture) as temporary:
            imsave(temporary, pixels, format="png")
    finally:
        viewer.close()


def _contents(
    path: Path, map_path: Path | None, pixel_size: float | None, project_dir: Path | None
) -> Callable[[napari.Viewer], Any]:
    """Read what is to be shown; return what puts it into a viewer and gives the panel, if any."""
    if path.is_dir():
        if RunReader(path).run() is None:
            raise InputError(f"{path} is not a run folder: it has no run.json.")

        def follow(viewer: napari.Viewer) -> Any:
            dock = _panel(viewer, project_dir)
            dock.controller.open_run(path)
            return dock

        return follow
    if path.suffix.lower() in PARTICLE_SUFFIXES:
        data = load_data(
            path, map_path, project_dir=project_dir, map_pixel_size_angstrom=pixel_size
        )

        def inspect(viewer: napari.Viewer) -> Any:
            dock = _panel(viewer, project_dir)
            dock.controller.show(data)
            return dock

        return inspect
    layers = layers_of(path, map_path, pixel_size, project_dir)
    return lambda viewer: show(viewer, layers)


def _panel(viewer: napari.Viewer, project_dir: Path | None) -> Any:
    """Open the panel as the Plugins menu does; this room knows no widgets of its own."""
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, PANEL)
    if project_dir is not None:
        dock.session.project_dir = project_dir
    return dock


def _wait_until_idle(dock: Any) -> None:
    """Keep the window until its data are there and nothing has changed for a while."""
    deadline = time.monotonic() + PATIENCE_S
    seen: Any = None
    since = time.monotonic()
    while time.monotonic() < deadline:
        _rest(0.02)
        state = (dock.session.inspection, dock.session.run, dock.jobs.busy, dock.tabs)
        if seen is None or any(a is not b for a, b in zip(state[:2], seen[:2], strict=True)):
            since = time.monotonic()
        if dock.jobs.busy or dock.tabs is None or not len(dock.session.inspection):
            since = time.monotonic()
        seen = state
        if time.monotonic() - since >= SETTLED_S:
            return


def _rest(seconds: float) -> None:
    from napari.qt import get_qapp

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        get_qapp().processEvents()
        time.sleep(0.005)
