"""Viewing directions of all particles on a sphere: a Points layer, coloured by error or confidence.

A direction is the third row of the pose's matrix A, x y z in the map's frame; napari wants z y x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils import Colormap
from numpy.typing import NDArray

from napari_cryoorient.particles import Poses
from napari_cryoorient.session.criteria import CRITERIA, Criterion
from napari_cryoorient.session.inspection import Inspection
from napari_cryoorient.viewer.drawing import drawn_once
from napari_cryoorient.viewer.napari_api import RIGHT_HANDED, camera_of, canvas_size_of
from napari_cryoorient.viewer.pose_points import CANVAS_SIZE_LIMITS, point_size
from napari_cryoorient.viewer.readers import METADATA_KEY

if TYPE_CHECKING:
    from napari.components import ViewerModel

_GREY = [0.45, 0.48, 0.52, 1.0]
_PLAIN = [0.42, 0.66, 0.92, 1.0]
_COLOURED_BY = "coloured_by"  # a column of the points: the figure that is chosen
# Good to bad, bright at both ends on a dark canvas.
_GOOD_TO_BAD = ([0.25, 0.66, 0.95], [0.98, 0.86, 0.35], [1.0, 0.35, 0.22])
_HIGH_QUANTILE = 0.95  # a few outliers must not make all others look alike
# More points than these cover each other, and take a canvas without a GPU a second to draw; so many
# of them are the worst ones.
MOST_POINTS, WORST_POINTS = 15_000, 3_000


def view_directions(poses: Poses) -> NDArray[np.float64]:
    """Return viewing directions ``(n, 3)`` in napari's order z, y, x."""
    return np.ascontiguousarray(poses.rotations[:, 2, ::-1])


class ViewSphere:
    """Draws directions into a 3D viewer of its own, and tells which one was clicked on."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        circles = viewer.add_shapes(
            _circles(), shape_type="path", edge_color=_GREY, edge_width=0.008, name="sphere"
        )
        circles.opacity = 0.6
        self.points = viewer.add_points(
            np.zeros((0, 3)),
            ndim=3,
            name="viewing directions",
            border_width=0,
            canvas_size_limits=CANVAS_SIZE_LIMITS,
        )
        self.points.metadata = {METADATA_KEY: {"role": "directions"}}
        self.current = viewer.add_points(
            np.zeros((0, 3)),
            ndim=3,
            name="current particle",
            size=0.11,
            face_color="transparent",
            border_color="white",
            border_width=0.2,
            blending="translucent_no_depth",  # other points do not hide the ring
        )
        viewer.dims.ndisplay = 3
        camera = camera_of(viewer)
        camera.orientation = RIGHT_HANDED
        camera.angles = (20.0, 30.0, 60.0)
        self._size = (0, 0)
        self._directions = np.zeros((0, 3))
        self._particles: NDArray[np.int64] = np.zeros(0, dtype=np.int64)  # of each point
        self.colour_ends: tuple[float, float] | None = None  # values of the good and the bad end
        self.is_sample = False  # not all particles are drawn

    def fit(self) -> None:
        """Let the sphere fill the canvas after that has changed its size; zooming stays free."""
        size = canvas_size_of(self._viewer)
        if size != self._size:
            self._size = size
            camera = camera_of(self._viewer)
            camera.center = (0.0, 0.0, 0.0)
            camera.zoom = 0.46 * max(min(size), 1)

    def show(
        self,
        inspection: Inspection,
        criterion: Criterion,
        kept: NDArray[np.bool_] | None = None,
    ) -> None:
        """Show the directions of the poses under inspection that the filter keeps, or of all.

        Of many the worst and an even sample are shown. Colours mean the same whatever the filter
        keeps. What it drops is no point of the layer: napari takes no notice of ``Points.shown``
        in 3D.
        """
        with drawn_once(self.points):
            self._show(inspection, criterion, kept)

    def _show(
        self, inspection: Inspection, criterion: Criterion, kept: NDArray[np.bool_] | None
    ) -> None:
        poses = inspection.shown_poses
        self.colour_ends, self.is_sample = None, False
        if poses is None or not len(poses):
            self._directions = np.zeros((0, 3))
            self._particles = np.zeros(0, dtype=np.int64)
            self.points.data = np.zeros((0, 3))
            self.current.data = np.zeros((0, 3))
            return
        values = inspection.values(criterion)
        particles = np.arange(len(poses)) if kept is None else np.flatnonzero(kept)
        self.is_sample = len(particles) > MOST_POINTS
        if self.is_sample:
            is_high_bad = not CRITERIA[criterion].is_higher_better
            particles = sample_of(particles, values if is_high_bad or values is None else -values)
        self._directions, self._particles = view_directions(poses), particles
        self.points.data = self._directions[particles]
        self.points.size = point_size(len(poses))
        features = features_of(inspection)
        # One name for whatever is chosen: napari warns of a column that it coloured by and is gone.
        # Where nothing is, it is NaN, which napari leaves out of what hovering shows.
        features[_COLOURED_BY] = np.full(len(poses), np.nan)
        if values is None or not len(particles):
            self.points.features = {name: column[particles] for name, column in features.items()}
            self.points.face_color = _PLAIN
            return
        known = values[np.isfinite(values)]
        # What is not known is no better than the worst.
        worst = known.min() if CRITERIA[criterion].is_higher_better else known.max()
        shown = np.where(np.isfinite(values), values, worst)
        features[criterion.replace(" ", "_")] = features[_COLOURED_BY] = shown
        self.points.features = {name: column[particles] for name, column in features.items()}
        self.points.face_color = _COLOURED_BY
        worst_is_low = CRITERIA[criterion].is_higher_better
        colours = _GOOD_TO_BAD[::-1] if worst_is_low else _GOOD_TO_BAD
        self.points.face_colormap = Colormap(colours, name=f"good to bad {worst_is_low}")
        low, high = float(known.min()), float(known.max())
        if criterion == "confidence":
            low, high = 0.0, 1.0  # a probability: the same colours for every stack
        elif worst_is_low:
            low = float(np.quantile(known, 1.0 - _HIGH_QUANTILE))
        else:
            high = float(np.quantile(known, _HIGH_QUANTILE))
        self.colour_ends = (high, low) if worst_is_low else (low, high)
        if high <= low:  # all alike: all good
            low, high = (low - 1.0, low) if worst_is_low else (low, low + 1.0)
        self.points.face_contrast_limits = (low, high)
        self.points.refresh_colors(update_color_mapping=False)

    def show_current(self, index: int) -> None:
        """Mark the particle that is looked at, whether the filter keeps it or not."""
        if index < len(self._directions):
            self.current.data = self._directions[index : index + 1] * 1.01

    def picked(self, event: Any) -> int | None:
        """Return the particle under a click, or None."""
        index = self.points.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=event.dims_displayed,
            world=True,
        )
        return None if index is None else int(self._particles[index])


def sample_of(
    particles: NDArray[np.int64], badness: NDArray[np.float64] | None
) -> NDArray[np.int64]:
    """Return at most ``MOST_POINTS`` of ``particles`` in order: the worst, the rest evenly."""
    n_worst = 0 if badness is None else WORST_POINTS
    even = np.linspace(0, len(particles) - 1, MOST_POINTS - n_worst).astype(np.int64)
    if badness is None:
        return np.asarray(particles[even])
    rated = np.nan_to_num(badness[particles], nan=-np.inf)
    worst = np.argpartition(rated, -n_worst)[-n_worst:]
    return np.asarray(particles[np.union1d(even, worst)])


def features_of(inspection: Inspection) -> dict[str, NDArray[Any]]:
    """Return what is known of each particle, by column."""
    features: dict[str, NDArray[Any]] = {"row": np.asarray(inspection.rows)}
    for criterion in inspection.criteria:
        values = inspection.values(criterion)
        if values is not None:
            features[criterion.replace(" ", "_")] = np.asarray(values)
    return features


def _circles() -> list[NDArray[np.float64]]:
    """The equator and two meridians, z y x."""
    angle = np.linspace(0.0, 2.0 * np.pi, 73)
    c, s, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    return [np.stack(axes, axis=1) for axes in ((zero, s, c), (s, zero, c), (s, c, zero))]
