"""A real napari window opens the files through the manifest, and draws them."""

from __future__ import annotations

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
