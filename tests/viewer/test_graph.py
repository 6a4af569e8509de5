"""A graph as layers: where numbers lie, what is named, which marker a click means."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cryoorient.viewer.graph import MARGINS, Graph, GraphPlot, Line, Marker

BLUE = (0.2, 0.4, 1.0, 1.0)


def graph(**values) -> Graph:
    line = Line("curve", np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.5, 0.0]), BLUE)
    settings = {
        "x_title": "w",
        "y_title": "error (°)",
        "x_range": (0.0, 1.0),
        "y_range": (0.0, 1.0),
        "x_ticks": ((0.0, "0"), (1.0, "1")),
        "y_ticks": ((0.5, "half"),),
        "lines": (line,),
        "markers": (Marker(0.5, 0.5, BLUE), Marker(1.0, 0.25, BLUE, is_best=True)),
        "levels": (0.5,),
        "empty": "nothing yet",
    }
    return Graph(**(settings | values))


@pytest.fixture
def plot(wide_viewer: ViewerModel) -> GraphPlot:
    return GraphPlot(wide_viewer)


def test_numbers_lie_between_the_axes(plot):
    plot.show(graph())
    top, right, bottom, left = MARGINS
    (path,) = plot.lines.data
    np.testing.assert_allclose(path[0], [top, left], atol=1e-4)
    np.testing.assert_allclose(path[-1], [200 - bottom, 600 - right], atol=1e-4)
    np.testing.assert_allclose(plot.markers.data[0], path[1], atol=1e-4)
    np.testing.assert_allclose(plot.rings.data, plot.markers.data[1:])
    level = plot.axes.data[-1]
    np.testing.assert_allclose(level[:, 0], path[1, 0], atol=1e-4)
    words = plot.labels.features["label"].tolist()
    assert {"w", "error (°)", "half", "curve", "0.25"} <= set(words)


def test_a_click_means_the_nearest_marker_within_reach(plot):
    plot.show(graph())
    row, column = plot.markers.data[1]
    assert plot.marker_at(row + 3, column - 3) == 1
    assert plot.marker_at(row + 40, column) is None
    plot.show(graph(markers=()))
    assert plot.marker_at(row, column) is None


def test_a_graph_replaces_the_one_before_and_an_empty_one_says_so(plot):
    plot.show(graph())
    plot.show(graph(lines=(), markers=(), levels=()))
    assert (len(plot.lines.data), len(plot.markers.data), len(plot.rings.data)) == (0, 0, 0)
    assert "nothing yet" in plot.labels.features["label"].tolist()
