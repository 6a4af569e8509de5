"""Training curves as napari layers: lines in a Shapes layer, axes and labels beside them.

Curves are coloured by the ``w`` in force, from warm (0: projections) to cold (1: rotations).  The
main curve of a run is thick, that of the run being followed thicker; its others are thin, and left
out for the runs beside it.  A world unit is a pixel of the canvas, so that text keeps its distance
from the lines; the camera stays where it is while the numbers grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.figures import colour_of_w
from napari_cryoorient.session.follow import RunView
from napari_cryoorient.viewer.labels import (
    LETTER,
    ROW,
    said_in_the_middle,
    spread,
    write_labels,
)
from napari_cryoorient.viewer.napari_api import camera_of, canvas_size_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

MARGINS = (26.0, 110.0, 34.0, 52.0)  # top, right, bottom, left, in pixels
MAX_POINTS = 400  # of a curve; more than the canvas has pixels for are thinned out
_DOWN, _RIGHT = np.array([1.0, 0.0]), np.array([0.0, 1.0])
_GREY, _TEXT = (0.55, 0.58, 0.62, 1.0), (0.8, 0.82, 0.85, 1.0)
CLICK_REACH = 8.0  # pixels
LABEL_STEP = 4.0  # pixels; labels that would move by less stay where they are
LONGEST_NAME = 14
EMPTY = "No curves yet. They come with a run's first report: Train under 2 Train, or Runs above."


@dataclass(frozen=True)
class Quantity:
    """What can be plotted: fields of the metrics with a label each, and the axis's title.

    What falls over orders of magnitude has a logarithmic axis.
    """

    title: str
    fields: tuple[tuple[str, str], ...]
    is_logarithmic: bool = False


QUANTITIES = {
    "RMSE": Quantity(
        "relative RMSE", (("test_relative_rmse", "test"), ("train_relative_rmse", "train"))
    ),
    "Angular error": Quantity(
        "median error (\N{DEGREE SIGN})", (("angular_error_deg", "test"),), is_logarithmic=True
    ),
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


def rounded_up(high: float) -> float:
    """Return the next round number, for an axis that does not change with every report."""
    step = float(np.diff(ticks(0.0, high)[:2])[0]) if high > 0 else 1.0
    return step * float(np.ceil(high / step - 1e-9))


def logarithmic_ticks(low: float, high: float, n: int = 5) -> NDArray[np.float64]:
    """Return numbers 1, 2, 5 times powers of ten from ``low`` to ``high``, about ``n`` at most."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = np.array([factor * power for power in powers for factor in factors])
        found = found[(found >= low * (1 - 1e-9)) & (found <= high * (1 + 1e-9))]
        if len(found) <= n:
            break
    return np.asarray(found)


class CurvePlot:
    """Draws curves into a viewer of their own, and tells which run was clicked on."""

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
        self._drawn: list[tuple[Path, NDArray[np.float64]]] = []
        self._axes_drawn: object = None  # what they were drawn for; drawing takes its time
        self._labels_drawn: object = None

    def fit(self) -> bool:
        """Let a world unit be a pixel of the canvas; return whether the canvas has changed."""
        height, width = size = canvas_size_of(self._viewer)
        if size == self._size:
            return False
        self._size = size
        camera = camera_of(self._viewer)
        camera.center = (0.0, height / 2, width / 2)
        camera.zoom = 1.0
        return True

    def show(self, runs: Sequence[RunView]) -> None:
        """Plot the chosen quantity of some runs, the last of which is the one being followed."""
        self.fit()
        curves = [
            (run, curve, run is runs[-1])
            for run in runs
            for curve in curves_of(run, self.quantity)
            if curve.is_main or run is runs[-1]
        ]
        x_high = rounded_up(max((float(curve.x.max()) for _, curve, _ in curves), default=1.0))
        y_high = max((float(curve.y.max()) for _, curve, _ in curves), default=1.0)
        names = [
            (curve, label_of_curve(run, curve, n_runs=len(runs), is_current=is_current))
            for run, curve, is_current in curves
        ]
        top, right, bottom, left = MARGINS
        right = max([right, *(LETTER * len(name) + 20.0 for _, name in names)])
        positive = [float(curve.y[curve.y > 0].min(initial=y_high)) for _, curve, _ in curves]
        scale = _Scale(
            max(x_high, 1.0),
            min(positive, default=1.0) / 1.2
            if QUANTITIES[self.quantity].is_logarithmic and y_high > 0
            else None,
            1.05 * y_high if y_high > 0 else 1.0,
            left,
            max(self._size[1] - right, left + 20.0),
            top,
            max(self._size[0] - bottom, top + 20.0),
        )
        paths, colours, widths = [], [], []
        self._drawn = []
        for run, curve, is_current in curves:
            for part, colour in _parts(curve, scale):
                paths.append(part)
                colours.append(colour)
                widths.append((2.5 if is_current else 1.6) if curve.is_main else 1.0)
                self._drawn.append((run.path, part))
        self.lines.selected_data = set()
        self.lines.data = []
        if paths:
            self.lines.add(paths, shape_type="path", edge_color=colours, edge_width=widths)
        self._draw_axes(scale, names)

    def run_at(self, row: float, column: float) -> Path | None:
        """Return the run whose curve passes nearest by a place on the canvas, within reach."""
        place = np.array([row, column])
        near = [(_distance(place, part), path) for path, part in self._drawn]
        distance, path = min(near, key=lambda pair: pair[0], default=(np.inf, None))
        return path if distance <= CLICK_REACH else None

    def _draw_axes(self, scale: _Scale, names: Sequence[tuple[Curve, str]]) -> None:
        at_x = ticks(0.0, scale.x_high)
        at_y = (
            ticks(0.0, scale.y_high, 3)
            if scale.y_low is None
            else logarithmic_ticks(scale.y_low, scale.y_high)
        )
        corner = [scale.bottom, scale.left]
        lines = [
            np.array([corner, [scale.bottom, scale.right]]),
            np.array([corner, [scale.top, scale.left]]),
        ]
        lines += [np.array([scale.at_x(x), scale.at_x(x) + 4 * _DOWN]) for x in at_x]
        lines += [np.array([scale(0.0, y), scale(0.0, y) - 4 * _RIGHT]) for y in at_y]
        colours: list[Any] = [_GREY] * len(lines)
        widths = [1.0] * len(lines)
        marks: list[tuple[Any, str, Any]] = [
            (scale.at_x(x) + ROW * _DOWN, f"{x:g}", _TEXT) for x in at_x
        ]
        marks += [(scale(0.0, y) - 20 * _RIGHT, f"{y:g}", _TEXT) for y in at_y]
        marks.append((np.array([scale.bottom + ROW, scale.right + 40.0]), "steps", _TEXT))
        title = QUANTITIES[self.quantity].title
        marks.append((np.array([scale.top - ROW, scale.left + 3.5 * len(title)]), title, _TEXT))
        if names:
            title_end = scale.left + LETTER * len(title)
            ramp, ramp_colours, ends = _ramp_of_w(title_end, self._size[1], scale.top - ROW)
            lines += ramp
            colours += ramp_colours
            widths += [6.0] * len(ramp)
            marks += [(place, text, _TEXT) for place, text in ends]
        else:
            # No axes without numbers: the words have the canvas to themselves.
            lines, colours, widths = [], [], []
            marks = [(place, text, _TEXT) for place, text in said_in_the_middle(EMPTY, self._size)]
        rows = spread(
            np.array([scale(curve.x[-1], curve.y[-1])[0] for curve, _ in names]),
            scale.top,
            scale.bottom,
        )
        for (curve, text), row in zip(names, rows, strict=True):
            if np.isfinite(row):
                place = np.array([row, scale.right + 8.0 + LETTER / 2 * len(text)])
                marks.append((place, text, colour_of_w(float(curve.w[-1]))))
        if self._axes_drawn != (scale, bool(names)):
            self._axes_drawn = (scale, bool(names))
            self.axes.data = []
            if lines:
                self.axes.add(lines, shape_type="line", edge_color=colours, edge_width=widths)
        places = np.array([place for place, _, _ in marks])
        drawn = [
            (text, colour, *np.round(place / LABEL_STEP))
            for place, (_, text, colour) in zip(places, marks, strict=True)
        ]
        if self._labels_drawn != drawn:
            self._labels_drawn = drawn
            write_labels(self.labels, places, marks)


def label_of_curve(run: RunView, curve: Curve, *, n_runs: int, is_current: bool) -> str:
    """Name a curve: by its run where there are several, and by its ``w`` if it is the main one.

    A dot marks the run being followed among others.
    """
    w = f"w {curve.w[-1]:.2f}"
    if n_runs > 1 and curve.is_main:
        name = run.path.name
        dot = "\N{BULLET} " if is_current else ""
        return dot + (w if name.startswith("w") else f"{_shortened(name)}, {w}")
    return f"{curve.label}, {w}" if curve.is_main else curve.label


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]


def _distance(place: NDArray[np.float64], path: NDArray[np.float64]) -> float:
    """Return the distance of a place from a line through points ``(n, 2)``."""
    start, along = path[:-1], np.diff(path, axis=0)
    length = np.maximum((along**2).sum(1), 1e-12)
    part = np.clip(((place - start) * along).sum(1) / length, 0.0, 1.0)
    return float(np.hypot(*(start + part[:, None] * along - place).T).min())


def _ramp_of_w(
    left: float, right: float, row: float
) -> tuple[list[NDArray[np.float64]], list[Any], list[tuple[NDArray[np.float64], str]]]:
    """Return the legend of the colours: short lines from w 0 to w 1, and the words at its ends.

    It lies between ``left`` and ``right``; where that is too narrow there is none, and the w beside
    each curve has to do.
    """
    n = 12
    first, last = left + 60.0, min(left + 160.0, right - 24.0)
    if last - first < 30.0:
        return [], [], []
    columns = np.linspace(first, last, n + 1)
    lines = [np.array([[row, a], [row, b]]) for a, b in pairwise(columns)]
    colours = [colour_of_w(i / (n - 1)) for i in range(n)]
    ends = [(np.array([row, first - 20.0]), "w 0"), (np.array([row, last + 9.0]), "1")]
    return lines, colours, ends


@dataclass(frozen=True)
class _Scale:
    """From numbers to pixels (row, column): x to the right from 0, y upwards.

    ``y_low`` is the low end of a logarithmic axis; None is a linear one from 0.
    """

    x_high: float
    y_low: float | None
    y_high: float
    left: float
    right: float
    top: float
    bottom: float

    def __call__(self, x: float, y: float) -> NDArray[np.float64]:
        if self.y_low is None:
            part = y / self.y_high
        else:
            part = np.log(max(y, self.y_low) / self.y_low) / np.log(self.y_high / self.y_low)
        column = self.left + (self.right - self.left) * x / self.x_high
        return np.array([self.bottom - (self.bottom - self.top) * part, column])

    def at_x(self, x: float) -> NDArray[np.float64]:
        """Return the place of a mark of the x axis."""
        return np.array([self.bottom, self(x, self.y_high)[1]])


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
