"""What the menus offer beside the panel: open a run, save poses, look at viewing directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from napari.utils.notifications import show_info, show_warning
from napari.viewer import Viewer
from qtpy.QtWidgets import QFileDialog

from napari_cryoorient.viewer.napari_api import RIGHT_HANDED, camera_of
from napari_cryoorient.viewer.pose_points import directions_layer
from napari_cryoorient.viewer.readers import METADATA_KEY, PARTICLE_SUFFIXES
from napari_cryoorient.viewer.window import PANEL, PLUGIN

NEW_DIALECT, OLD_DIALECT = "RELION 3.1 and later (*.star)", "RELION 3.0 and before (*.star)"


def open_run(viewer: Viewer) -> None:
    """Ask for a run folder and follow it in the panel, which opens if need be."""
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, PANEL)
    panel.ask_for_run()


def save_poses(viewer: Viewer) -> None:
    """Ask for a name and save the poses of the selected layer as a STAR file."""
    from napari_cryoorient.viewer.writers import write_star_30, write_star_31

    layer = viewer.layers.selection.active
    if layer is None:
        show_warning("Select the layer whose poses are to be saved.")
        return
    text, chosen = QFileDialog.getSaveFileName(
        None, "Save poses as a STAR file", "", f"{NEW_DIALECT};;{OLD_DIALECT}"
    )
    if not text:
        return
    path = Path(text) if Path(text).suffix else Path(text).with_suffix(".star")
    write = write_star_30 if chosen == OLD_DIALECT else write_star_31
    data, attributes, _ = layer.as_layer_data_tuple()
    write(str(path), data, attributes)
    show_info(f"Poses written to {path}.")


def show_directions(viewer: Viewer) -> Viewer | None:
    """Show the poses of the selected layer's STAR file as points, in a window of their own.

    There, points share no slider with a stack; what is left of them can be saved as a STAR file.
    """
    layer = viewer.layers.selection.active
    ours: dict[str, Any] = {} if layer is None else layer.metadata.get(METADATA_KEY, {})
    path = Path(str(ours.get("path", "")))
    if path.suffix.lower() not in PARTICLE_SUFFIXES or not path.is_file():
        show_warning("Select a layer that was opened from a STAR file.")
        return None
    data, options, _ = directions_layer(path)
    window = napari.Viewer(title=f"Viewing directions of {path.name}", ndisplay=3)
    window.add_points(data, **options)
    camera_of(window).orientation = RIGHT_HANDED
    window.reset_view()
    return window
