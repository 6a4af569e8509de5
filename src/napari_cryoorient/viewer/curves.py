"""Training curves as napari layers: lines in a Shapes layer, axes and labels beside them.

Curves are coloured by the ``w`` in force, from warm (0: projections) to cold (1: rotations); test
curves are thick, training curves thin.  A world unit is a pixel of the canvas, so that text keeps
its distance from the lines; the camera stays where it is while the numbers grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.session.follow import RunView

if TYPE_CHECKING:
    from napari.components import ViewerModel

MARGINS = (26.0, 110.0, 34.0, 52.0)  # top, right, bottom, left, in pixels
ROW = 14.0  # height of a line of text
MAX_POINTS = 400  # of a curve; more than the canvas has pixels for are thinned out
_WARM, _COLD = np.array([0.99, 0.55, 0.24]), np.array([0.30, 0.67, 0.97])
_DOWN, _RIGHT = np.array([1.0, 0.0]), np.array([0.0, 1.0])
_GREY = (0.55, 0.58, 0.62, 1.0)


@dataclass(frozen=True)
class Quantity:
    """What can be plotted: fields of the metrics with a label each, and the axis's title."""

    title: str
    fields: tuple[tuple[str, str], ...]


QUANTITIES = {
    "RMSE": Quantity(
        "relative RMSE", (("test_relative_rmse", "test"), ("train_relative_rmse", "train"))
    ),
    "Angular error": Quantity("median error (\N{DEGREE SIGN})", (("angular_error_deg", "test"),)),
    "Loss": Quantity(
        "loss", (("loss", "loss"), ("qd", "rotation (QD)"), ("reprojection", "projection (L1)"))
    ),
    "Shift error": Quantity("median shift error (Å)", (("shift_error_angstrom", "test"),)),
}


@dataclass(frozen=True)
class Curve:
    """Points (x, y) of one figure of one run, and the w at each."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    w: NDArray[np.float64]
    is_main: bool


def curves_of(run: RunView, quantity: str) -> list[Curve]:
    """Collect the curves of a run; a test figure counts where a new test was made."""
    curves = []
    for place, (field, label) in enumerate(QUANTITIES[quantity].fields):
        points = []
        last = None
        for line in run.metrics:
            value = line.get(field)
            is_old = field in _TESTED and value == last
            if value is None or not np.isfinite(value) or is_old:
                continue
            last = value
            points.append((float(line["step"]), float(value), float(line.get("w") or 0.0)))
        if points:
            x, y, w = np.array(points[:: max(1, len(points) // MAX_POINTS)]).T
            curves.append(Curve(label, x, y, w, place == 0))
    return curves


_TESTED = {"test_relative_rmse", "angular_error_deg", "shift_error_angstrom"}


def ticks(low: float, high: float, n: int = 4) -> NDArray[np.float64]:
    """Return about ``n`` round numbers from ``low`` to ``high``."""
    step = 10.0 ** np.floor(np.log10(max(high - low, 1e-12) / n))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= n:
            step *= factor
            break
    first = np.ceil(low / step - 1e-9)
    return np.asarray(step * np.arange(first, np.floor(high / step + 1e-9) + 1) + 0.0)


def colour_of_w(w: float) -> tuple[float, float, float, float]:
    """Return the colour (r, g, b, a) that stands for a ``w``."""
    red, green, blue = _WARM + (_COLD - _WARM) * min(max(w, 0.0), 1.0)
    return float(red), float(green), float(blue), 1.0


class CurvePlot:
    """Draws curves into a viewer of their own."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.lines = viewer.add_shapes([], ndim=2, name="curves", opacity=1.0)
        self.axes = viewer.add_shapes([], ndim=2, name="axes")
        self.labels = viewer.add_points(
            np.zeros((0, 2)),
            name="labels",
            size=0.01,
            face_color="transparent",
            border_color="transparent",
            features={"label": np.zeros(0, dtype=object)},
        )
        self.quantity = "RMSE"
        self._size = (0, 0)

    def fit(self) -> bool:
        """Let a world unit be a pixel of the canvas; return whether the canvas has changed."""
        height, width = size = self._viewer.canvas.size
        if size == self._size:
            return False
        self._size = size
        self._viewer.scene.camera.center = (0.0, height / 2, width / 2)
        self._viewer.scene.camera.zoom = 1.0
        return True

    def show(self, runs: Sequence[RunView]) -> None:
        """Plot the chosen quantity of some runs."""
        self.fit()
        curves = [curve for run in runs for curve in curves_of(run, self.quantity)]
        x_high = max((float(curve.x.max()) for curve in curves), default=1.0)
        y_high = max((float(curve.y.max()) for curve in curves), default=1.0)
        top, right, bottom, left = MARGINS
        scale = _Scale(
            max(x_high, 1.0),
            1.05 * y_high if y_high > 0 else 1.0,
            left,
            max(self._size[1] - right, left + 20.0),
            top,
            max(self._size[0] - bottom, top + 20.0),
        )
        paths, colours, widths = [], [], []
        for curve in curves:
            for part, colour in _parts(curve, scale):
                paths.append(part)
                colours.append(colour)
                widths.append(2.5 if curve.is_main else 1.2)
        self.lines.selected_data = set()
        self.lines.data = []
        if paths:
            self.lines.add(paths, shape_type="path", edge_color=colours, edge_width=widths)
        self._draw_axes(scale, curves)

    def _draw_axes(self, scale: _Scale, curves: Sequence[Curve]) -> None:
        at_x, at_y = ticks(0.0, scale.x_high), ticks(0.0, scale.y_high, 3)
        corner = [scale.bottom, scale.left]
        lines = [
            np.array([corner, [scale.bottom, scale.right]]),
            np.array([corner, [scale.top, scale.left]]),
        ]
        lines += [np.array([scale(x, 0.0), scale(x, 0.0) + 4 * _DOWN]) for x in at_x]
        lines += [np.array([scale(0.0, y), scale(0.0, y) - 4 * _RIGHT]) for y in at_y]
        self.axes.data = []
        self.axes.add(lines, shape_type="line", edge_color=[_GREY] * len(lines), edge_width=1)
        marks: list[tuple[Any, str]] = [(scale(x, 0.0) + ROW * _DOWN, f"{x:g}") for x in at_x]
        marks += [(scale(0.0, y) - 20 * _RIGHT, f"{y:g}") for y in at_y]
        marks.append((np.array([scale.bottom + ROW, scale.right + 40.0]), "steps"))
        title = QUANTITIES[self.quantity].title
        marks.append((np.array([scale.top - ROW, scale.left + 3.5 * len(title)]), title))
        taken: list[float] = []
        for curve in curves:
            end = scale(curve.x[-1], curve.y[-1])
            row = end[0]
            while any(abs(row - other) < ROW for other in taken):
                row -= ROW
            taken.append(row)
            text = curve.label + (f", w {curve.w[-1]:.2f}" if curve.is_main else "")
            marks.append((np.array([row, scale.right + 8.0 + 3.5 * len(text)]), text))
        if not curves:
            middle = np.array([scale.top + scale.bottom, scale.left + scale.right]) / 2
            marks.append((middle, "curves appear as a run reports"))
        with self.labels.events.blocker_all():
            self.labels.data = np.array([place for place, _ in marks])
            self.labels.features = {"label": [text for _, text in marks]}
        self.labels.text = {
            "string": "{label}",
            "size": 9,
            "color": [0.8, 0.82, 0.85, 1.0],
            "anchor": "center",
        }
        self.labels.refresh()


@dataclass(frozen=True)
class _Scale:
    """From numbers to pixels (row, column): x to the right, y upwards, from 0 to the high ends."""

    x_high: float
    y_high: float
    left: float
    right: float
    top: float
    bottom: float

    def __call__(self, x: float, y: float) -> NDArray[np.float64]:
        column = self.left + (self.right - self.left) * x / self.x_high
        return np.array([self.bottom - (self.bottom - self.top) * y / self.y_high, column])


def _parts(curve: Curve, scale: _Scale) -> list[tuple[NDArray[np.float64], Any]]:
    """Cut a curve where w changes; one point alone becomes a dash."""
    points = np.array([scale(x, y) for x, y in zip(curve.x, curve.y, strict=True)])
    if len(points) == 1:
        points = np.concatenate([points - 3 * _RIGHT, points + 3 * _RIGHT])
        return [(points, colour_of_w(float(curve.w[0])))]
    changes = np.flatnonzero(np.diff(curve.w)) + 1
    bounds = [0, *changes.tolist(), len(points)]
    parts = []
    for start, stop in pairwise(bounds):
        part = points[max(start - 1, 0) : stop]  # joined to the part before
        if len(part) > 1:
            parts.append((part, colour_of_w(float(curve.w[stop - 1]))))
    return parts
