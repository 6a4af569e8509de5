"""The map in 3D, turned so that looking down the axis is the current particle's projection.

The rows of a pose's matrix A are the image's x axis, its y axis (downwards) and the viewing
direction, in the map's frame, x y z; napari wants z y x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.particles import DensityMap
from napari_cryoorient.viewer.napari_api import (
    RIGHT_HANDED,
    Direction,
    camera_of,
    canvas_size_of,
    look_along,
)
from napari_cryoorient.viewer.readers import map_layer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

MAX_SHOWN_BOX = 128  # more voxels make turning slow, and look the same at this size


def camera_of_rotation(rotation: NDArray[np.float64]) -> tuple[Direction, Direction]:
    """Return (view direction, up direction) in z y x for a pose's matrix ``(3, 3)``."""
    view, up = rotation[2, ::-1], -rotation[1, ::-1]
    return tuple(map(float, view)), tuple(map(float, up))  # type: ignore[return-value]


class MapView:
    """Draws one map into a 3D viewer of its own and turns its camera."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._density: DensityMap | None = None
        self.layer: Image | None = None
        self._size = (0, 0)

    def show(self, density: DensityMap | None) -> None:
        """Show another map, or none."""
        if density is self._density:
            return
        self._density = density
        if self.layer is not None:
            self._viewer.layers.remove(self.layer)
            self.layer = None
        if density is None:
            return
        step = -(-density.box // MAX_SHOWN_BOX)
        data, options, _ = map_layer(density, name="map")
        if step > 1:  # every other voxel is enough for a surface
            data = data[::step, ::step, ::step]
            options["scale"] = tuple(step * s for s in options["scale"])
        self.layer = self._viewer.add_image(data, **options)
        self._viewer.dims.ndisplay = 3
        camera = camera_of(self._viewer)
        camera.orientation = RIGHT_HANDED
        camera.perspective = 0.0
        self.fit(force=True)

    def fit(self, *, force: bool = False) -> None:
        """Let the map fill the canvas after that has changed its size."""
        size = canvas_size_of(self._viewer)
        if self._density is None or (size == self._size and not force):
            return
        self._size = size
        edge = self._density.box * self._density.pixel_size_angstrom
        camera = camera_of(self._viewer)
        camera.center = (0.0, 0.0, 0.0)
        camera.zoom = 0.95 * max(min(size), 1) / edge

    def turn_to(self, rotation: NDArray[np.float64]) -> None:
        """Look along the viewing direction of a pose, the image's x axis to the right."""
        view, up = camera_of_rotation(rotation)
        look_along(self._viewer, view, up)
