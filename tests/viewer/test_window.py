"""A real napari window opens the files through the manifest, and draws them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

PLUGIN = "napari-cryoorient"

pytestmark = pytest.mark.window


def test_window_shows_particle_after_particle(make_napari_viewer, sample):
    viewer = make_napari_viewer(show=True)
    (layer,) = viewer.open(sample.star_path, plugin=PLUGIN)
    shown = []
    for particle in (0, 4):
        viewer.dims.set_point(0, particle)
        np.testing.assert_allclose(layer._slice.image.raw, sample.images[particle])
        shown.append(viewer.screenshot(canvas_only=True, flash=False))
    assert shown[0][..., :3].std() > 0
    assert np.any(shown[0] != shown[1])


def test_window_shows_a_map_as_a_surface(make_napari_viewer, sample):
    viewer = make_napari_viewer(show=True)
    (layer,) = viewer.open(sample.map_path, plugin=PLUGIN)
    viewer.dims.ndisplay = 3
    assert layer.rendering == "iso"
    assert viewer.screenshot(canvas_only=True, flash=False)[..., :3].std() > 0


def test_selected_layers_are_saved_as_a_star_file(make_napari_viewer, sample, tmp_path):
    viewer = make_napari_viewer()
    viewer.open(sample.star_path, plugin=PLUGIN)
    path = tmp_path / "saved.star"
    assert viewer.layers.save(str(path), plugin=PLUGIN) == [str(path)]
    (layer,) = viewer.open(path, plugin=PLUGIN)
    np.testing.assert_allclose(layer.data[4], sample.images[4])


# The panel and a stack, by napari's own reader and by the panel's; then what that has imported.
WITHOUT_TORCH = """
import sys
import napari
from pathlib import Path
from qtpy.QtWidgets import QApplication

star = sys.argv[1]
viewer = napari.Viewer()
_, dock = viewer.window.add_plugin_dock_widget("napari-cryoorient", "CryoOrient")
viewer.open(star, plugin="napari-cryoorient")
dock.controller.load(Path(star), None)
while dock.session.data.particles is None or dock.tabs is None or dock.jobs.busy:
    QApplication.processEvents()
print(len(dock.session.data.particles), len(viewer.layers), "torch" in sys.modules)
viewer.close()
"""


def test_panel_and_star_file_open_without_torch(sample):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(sample.star_path)],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout.split() == ["5", "1", "False"], done.stdout + done.stderr
