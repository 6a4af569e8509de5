"""Any curve as napari layers: lines, markers, axes with units, levels to compare with.

A world unit is a pixel of the canvas, as for the training curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.viewer.labels import LETTER, ROW, said_in_the_middle, spread, write_labels
from napari_cryoorient.viewer.napari_api import camera_of, canvas_size_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

Colour = tuple[float, float, float, float]
MARGINS = (26.0, 120.0, 36.0, 52.0)  # top, right, bottom, left, in pixels
BARE_MARGINS = (30.0, 16.0, 10.0, 16.0)
MARKER, RING = 8.0, 15.0
CLICK_REACH = 10.0
_GREY: Colour = (0.55, 0.58, 0.62, 1.0)
_FAINT: Colour = (0.40, 0.42, 0.46, 1.0)
_TEXT: Colour = (0.8, 0.82, 0.85, 1.0)
_WHITE: Colour = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Line:
    """Points ``(n,)`` joined by a line, named at its right end; an empty label is none."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    colour: Colour


@dataclass(frozen=True)
class Marker:
    """One point by itself; ``is_best`` rings it."""

    x: float
    y: float
    colour: Colour
    is_best: bool = False


@dataclass(frozen=True)
class Graph:
    """What is drawn; ranges are (low, high), ticks pairs of a value and its text."""

    x_title: str
    y_title: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...] = ()
    markers: tuple[Marker, ...] = ()
    levels: tuple[float, ...] = ()  # values of y with a line across
    empty: str = ""  # what to say where there is nothing to draw
    has_axes: bool = True  # a picture without them has the canvas to itself


class GraphPlot:
    """Draws a graph into a viewer of its own, and tells which marker was clicked on."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.axes = viewer.add_shapes([], ndim=2, name="axes")
        self.lines = viewer.add_shapes([], ndim=2, name="lines", opacity=1.0)
        self.markers = viewer.add_points(
            np.zeros((0, 2)), name="markers", size=MARKER, border_width=0
        )
        self.rings = viewer.add_points(
            np.zeros((0, 2)),
            name="best",
            size=RING,
            face_color="transparent",
            border_color="white",
            border_width=0.15,
        )
        self.labels = viewer.add_points(
            np.zeros((0, 2)),
            name="labels",
            size=0.01,
            face_color="transparent",
            border_color="transparent",
            features={"label": np.zeros(0, dtype=object)},
        )

    def show(self, graph: Graph) -> None:
        """Draw a graph in place of the one before."""
        height, width = canvas_size_of(self._viewer)
        camera = camera_of(self._viewer)
        camera.center = (0.0, height / 2, width / 2)
        camera.zoom = 1.0
        longest = max((len(line.label) for line in graph.lines), default=0)
        right = LETTER * max(longest, len(graph.x_title)) + 24.0
        margins = (MARGINS[0], max(MARGINS[1], right), *MARGINS[2:])
        place = _Placed(graph, height, width, margins if graph.has_axes else BARE_MARGINS)
        is_empty = not graph.lines and not graph.markers and bool(graph.empty)
        self._draw_axes(graph, place, is_empty=is_empty)
        self.lines.selected_data = set()
        self.lines.data = []
        paths = [place.path(line) for line in graph.lines if len(line.x) > 1]
        if paths:
            colours = [line.colour for line in graph.lines if len(line.x) > 1]
            self.lines.add(paths, shape_type="path", edge_color=colours, edge_width=2.0)
        at = [place(marker.x, marker.y) for marker in graph.markers]
        self._fill(self.markers, at, [marker.colour for marker in graph.markers])
        ringed = [p for p, marker in zip(at, graph.markers, strict=True) if marker.is_best]
        self.rings.data = np.array(ringed).reshape(-1, 2)
        self._draw_labels(graph, place)

    def marker_at(self, row: float, column: float) -> int | None:
        """Return the marker nearest to a place on the canvas, within reach."""
        if not len(self.markers.data):
            return None
        distances = np.hypot(*(self.markers.data - np.array([row, column])).T)
        nearest = int(distances.argmin())
        return nearest if distances[nearest] <= CLICK_REACH else None

    @staticmethod
    def _fill(layer: Any, places: Sequence[Any], colours: Sequence[Colour]) -> None:
        layer.data = np.array(places).reshape(-1, 2)
        if len(places):
            layer.face_color = np.array(colours)

    def _draw_axes(self, graph: Graph, place: _Placed, *, is_empty: bool) -> None:
        self.axes.data = []
        if is_empty or not graph.has_axes:  # the words have the canvas to themselves
            return
        down, right = np.array([4.0, 0.0]), np.array([0.0, 4.0])
        corner = [place.bottom, place.left]
        lines = [
            np.array([corner, [place.bottom, place.right]]),
            np.array([corner, [place.top, place.left]]),
        ]
        lines += [np.array([place.on_x(x), place.on_x(x) + down]) for x, _ in graph.x_ticks]
        lines += [np.array([place.on_y(y), place.on_y(y) - right]) for y, _ in graph.y_ticks]
        colours = [_GREY] * len(lines)
        for level in graph.levels:
            start = place.on_y(level)
            lines.append(np.array([start, [start[0], place.right]]))
            colours.append(_FAINT)
        self.axes.add(lines, shape_type="line", edge_color=colours, edge_width=1)

    def _draw_labels(self, graph: Graph, place: _Placed) -> None:
        marks: list[tuple[Any, str, Colour]] = []
        for x, text in graph.x_ticks:
            marks.append((place.on_x(x) + np.array([ROW, 0.0]), text, _TEXT))
        for y, text in graph.y_ticks:
            marks.append(
                (place.on_y(y) - np.array([0.0, LETTER / 2 * len(text) + 8.0]), text, _TEXT)
            )
        half = LETTER / 2
        title_at = [place.bottom + ROW, place.right + half * len(graph.x_title) + 16.0]
        marks.append((np.array(title_at), graph.x_title, _TEXT))
        title_at = [place.top - ROW, place.left + half * len(graph.y_title)]
        marks.append((np.array(title_at), graph.y_title, _TEXT))
        named = [line for line in graph.lines if line.label and len(line.x)]
        rows = np.array([place(line.x[-1], line.y[-1])[0] for line in named])
        for line, row in zip(named, spread(rows, place.top, place.bottom - ROW), strict=True):
            if np.isfinite(row):
                at = np.array([row, place.right + 8.0 + half * len(line.label)])
                marks.append((at, line.label, line.colour))
        if not graph.lines and not graph.markers and graph.empty:
            said = said_in_the_middle(graph.empty, canvas_size_of(self._viewer))
            marks = [(at, text, _TEXT) for at, text in said]
        for marker in graph.markers:
            if marker.is_best:
                at = place(marker.x, marker.y) - np.array([ROW + 2.0, 0.0])
                marks.append((at, f"{marker.y:.3g}", _WHITE))
        write_labels(self.labels, np.array([at for at, _, _ in marks]), marks)


class _Placed:
    """Where numbers of a graph lie on the canvas, in pixels (row, column)."""

    def __init__(
        self, graph: Graph, height: float, width: float, margins: tuple[float, ...]
    ) -> None:
        self._x, self._y = graph.x_range, graph.y_range
        self.top, right, bottom, self.left = margins
        self.right = max(width - right, self.left + 20.0)
        self.bottom = max(height - bottom, self.top + 20.0)

    def __call__(self, x: float, y: float) -> NDArray[np.float64]:
        across = (x - self._x[0]) / (self._x[1] - self._x[0])
        up = (y - self._y[0]) / (self._y[1] - self._y[0])
        return np.array(
            [
                self.bottom - (self.bottom - self.top) * up,
                self.left + (self.right - self.left) * across,
            ]
        )

    def path(self, line: Line) -> NDArray[np.float64]:
        """Return the places of a line's points ``(n, 2)``."""
        return np.array([self(x, y) for x, y in zip(line.x, line.y, strict=True)])

    def on_x(self, x: float) -> NDArray[np.float64]:
        """Return the place of a mark of the x axis."""
        return np.array([self.bottom, self(x, self._y[0])[1]])

    def on_y(self, y: float) -> NDArray[np.float64]:
        """Return the place of a mark of the y axis."""
        return np.array([self(self._x[0], y)[0], self.left])
