"""One micrograph with the poses of its particles: a dot where each lies, and how its axes lie.

The rows of a pose's matrix A are the image's x axis, its y axis (downwards) and the viewing
direction in the map's frame, so that the map's z axis is seen along ``(A[0, 2], A[1, 2])`` and its
x axis along ``(A[0, 0], A[1, 0])``: long where it lies in the image, short where it points at us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils import Colormap

from napari_cryoorient.particles import Floats, Images, Integers
from napari_cryoorient.viewer.drawing import drawn_once
from napari_cryoorient.viewer.lazy_stack import quantile_limits
from napari_cryoorient.viewer.napari_api import camera_of, canvas_size_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

_UNSURE_TO_SURE = ([1.0, 0.35, 0.22], [0.98, 0.86, 0.35], [0.25, 0.66, 0.95])
_PLAIN = [0.42, 0.66, 0.92, 1.0]
Z_COLOUR, X_COLOUR = "#ffffff", "#ff9a3c"
AXIS, DOT, RING = 0.05, 0.022, 0.06  # parts of the field's longer side


class MicrographView:
    """Draws one micrograph into a viewer of its own; its world unit is a pixel of the file."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.image = viewer.add_image(
            np.zeros((2, 2), np.float32), name="micrograph", contrast_limits=(0, 1), visible=False
        )
        self.image.opacity = 0.6  # the particles' poses are what is looked at
        self.frame = viewer.add_vectors(
            np.zeros((0, 2, 2)), name="edge", edge_color="#73797f", vector_style="line"
        )
        self.z_axes, self.x_axes = (
            viewer.add_vectors(
                np.zeros((0, 2, 2)), name=name, edge_color=colour, vector_style="line"
            )
            for name, colour in (("z axes", Z_COLOUR), ("x axes", X_COLOUR))
        )
        self.points = viewer.add_points(np.zeros((0, 2)), name="particles", border_width=0)
        self.current = viewer.add_points(
            np.zeros((0, 2)),
            name="current particle",
            face_color="transparent",
            border_color="white",
            border_width=0.12,
        )
        self._particles: Integers = np.zeros(0, dtype=np.int64)
        self._field = (1.0, 1.0)

    def show(
        self,
        particles: Integers,
        coordinates: Floats,
        rotations: Floats,
        confidence: Floats | None,
        field: tuple[float, float],
    ) -> None:
        """Show particles at ``coordinates`` ``(k, 2)`` (x, y) of a field (width, height)."""
        if self.image.visible:  # napari draws all layers for a change that is none, too
            self.image.visible = False
        is_other_field, self._field = field != self._field, field
        self._particles = particles
        with drawn_once(self.points, self.z_axes, self.x_axes):
            self._draw(coordinates, rotations, confidence)
        if is_other_field or not len(self.frame.data):
            self._draw_frame()
        self.fit()

    def _draw(self, coordinates: Floats, rotations: Floats, confidence: Floats | None) -> None:
        at = coordinates[:, ::-1]
        longer = max(self._field)
        self.points.data = at
        self.points.size = DOT * longer
        self.points.face_color = _PLAIN
        if confidence is not None and len(at):
            known = np.nan_to_num(confidence)
            self.points.features = {"confidence": known}
            self.points.face_color = "confidence"
            self.points.face_colormap = Colormap(_UNSURE_TO_SURE, name="unsure to sure")
            self.points.face_contrast_limits = (0.0, 1.0)
            self.points.refresh_colors(update_color_mapping=False)
        for layer, axis in ((self.z_axes, 2), (self.x_axes, 0)):
            along = rotations[:, [1, 0], axis] * AXIS * longer
            layer.data = np.stack([at, along], axis=1)
            layer.edge_width = 0.007 * longer

    def _draw_frame(self) -> None:
        width, height = self._field
        corners = np.array([[0, 0], [0, width], [height, width], [height, 0]], dtype=np.float64)
        with drawn_once(self.frame):
            self.frame.data = np.stack([corners, np.roll(corners, -1, axis=0) - corners], axis=1)
            self.frame.edge_width = 0.006 * max(self._field)

    def show_picture(self, picture: Images, step: int) -> None:
        """Lay the micrograph itself, ``step`` pixels put into one, under its particles."""
        height, width = picture.shape
        limits = quantile_limits(picture)
        self.image.data = picture
        self.image.scale = (step, step)
        self.image.translate = ((step - 1) / 2, (step - 1) / 2)
        self.image.contrast_limits_range = limits
        self.image.contrast_limits = limits
        self.image.visible = True
        field = (float(width * step), float(height * step))
        if field != self._field:
            self._field = field
            self._draw_frame()
            self.fit()

    def show_current(self, particle: int) -> None:
        """Ring the current particle, if it is on this micrograph."""
        found = np.flatnonzero(self._particles == particle)
        with drawn_once(self.current):
            self.current.data = self.points.data[found[:1]]
            self.current.size = RING * max(self._field)

    def clear(self) -> None:
        """Show nothing."""
        nothing = np.zeros((0, 2))
        self.show(np.zeros(0, dtype=np.int64), nothing, np.zeros((0, 3, 3)), None, self._field)
        self.frame.data = np.zeros((0, 2, 2))
        self.current.data = nothing

    def fit(self) -> None:
        """Let the field fill the canvas."""
        size = canvas_size_of(self._viewer)
        width, height = self._field
        camera = camera_of(self._viewer)
        camera.center = (0.0, height / 2, width / 2)
        camera.zoom = 0.97 * min(max(size[0], 1) / height, max(size[1], 1) / width)

    def picked(self, event: Any) -> int | None:
        """Return the particle under or near a click, or None."""
        if not len(self._particles):
            return None
        distances = np.hypot(*(self.points.data - np.asarray(event.position[-2:])).T)
        nearest = int(distances.argmin())
        return (
            int(self._particles[nearest]) if distances[nearest] < RING * max(self._field) else None
        )
