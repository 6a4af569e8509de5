"""The 3D map looks as its projection does: same axes, same hand."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cryoorient.geometry.rotations import euler_zyz_deg_to_matrix
from napari_cryoorient.particles import Poses
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import project_chunk, projector_of
from napari_cryoorient.viewer.map_view import MapView, camera_of_rotation
from napari_cryoorient.viewer.napari_api import camera_of

BOX, PIXEL_SIZE = 32, 6.0


def test_camera_looks_along_the_third_row():
    rotation = euler_zyz_deg_to_matrix(np.array([[30.0, 50.0, 77.0]]))[0]
    view, up = camera_of_rotation(rotation)
    np.testing.assert_allclose(view, rotation[2, ::-1])
    np.testing.assert_allclose(up, -rotation[1, ::-1])


def test_another_map_replaces_the_first():
    viewer = ViewerModel()
    shown = MapView(viewer)
    shown.show(demo_density(16, 12.0))
    shown.show(demo_density(16, 10.0))
    assert len(viewer.layers) == 1
    shown.show(None)
    assert not viewer.layers


@pytest.mark.window
def test_adding_up_along_the_axis_gives_the_projection(make_napari_viewer, qtbot):
    density = demo_density(BOX, PIXEL_SIZE)
    viewer = make_napari_viewer(show=True)
    shown = MapView(viewer)
    shown.show(density)
    shown.layer.rendering = "additive"
    shown.layer.contrast_limits = (0.0, 6.0)
    angles = np.array([[30.0, 50.0, 77.0], [200.0, 110.0, -20.0]])
    rotations = euler_zyz_deg_to_matrix(angles)
    projections = project_chunk(projector_of(density), Poses(rotations, np.zeros((2, 2))), None)
    for rotation, projection in zip(rotations, projections, strict=True):
        shown.turn_to(rotation)
        qtbot.wait(100)
        seen = viewer.screenshot(canvas_only=True, flash=False)[..., 0].astype(float)
        image = _pixels_of_the_box(seen, camera_of(viewer).zoom)
        mirrored = projection[:, ::-1]
        likeness = [np.corrcoef(image.ravel(), p.ravel())[0, 1] for p in (projection, mirrored)]
        assert likeness[0] > 0.95
        assert likeness[0] > likeness[1] + 0.1


def _pixels_of_the_box(seen: np.ndarray, zoom: float) -> np.ndarray:
    """Pick the pixels of the screenshot where the projection's pixels lie."""
    offsets = (np.arange(BOX) - BOX // 2) * PIXEL_SIZE * zoom
    rows, columns = (np.clip((size / 2 + offsets).astype(int), 0, size - 1) for size in seen.shape)
    return seen[np.ix_(rows, columns)]
