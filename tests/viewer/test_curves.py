"""Curves: what the metrics say, where it lies on the canvas, coloured by the w in force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cryoorient.session.follow import RunView
from napari_cryoorient.viewer.curves import (
    MARGINS,
    QUANTITIES,
    CurvePlot,
    colour_of_w,
    curves_of,
    ticks,
)
from napari_cryoorient.viewer.labels import LETTER, ROW, spread


def run_with(w_of_step) -> RunView:
    lines = tuple(
        {
            "step": step,
            "w": w_of_step(step),
            "train_relative_rmse": 1.0 / step,
            "test_relative_rmse": None if step < 3 else 2.0 / (step - step % 3),
            "loss": 0.5,
        }
        for step in range(1, 13)
    )
    return RunView(Path("run"), "running", metrics=lines)


def test_a_test_figure_counts_once_where_it_was_measured():
    test, train = curves_of(run_with(lambda step: 0.8), "RMSE")
    assert test.x.tolist() == [3, 6, 9, 12]
    np.testing.assert_allclose(test.y, 2.0 / test.x)
    assert len(train.x) == 12
    assert test.is_main
    assert not train.is_main


def test_a_change_of_w_changes_the_colour_and_leaves_no_gap():
    viewer = ViewerModel()
    plot = CurvePlot(viewer)
    plot.quantity = "Loss"
    plot.show([run_with(lambda step: 0.8 if step <= 6 else 0.2)])
    first, second = plot.lines.data
    np.testing.assert_allclose(first[-1], second[0])
    np.testing.assert_allclose(plot.lines.edge_color[0], colour_of_w(0.8), atol=1e-6)
    np.testing.assert_allclose(plot.lines.edge_color[1], colour_of_w(0.2), atol=1e-6)


def test_curves_lie_within_the_axes_and_fall_downwards(wide_viewer):
    plot = CurvePlot(wide_viewer)
    plot.show([run_with(lambda step: 0.8)])
    top, right, bottom, left = MARGINS
    for path in plot.lines.data:
        assert path[:, 0].min() >= top
        assert path[:, 0].max() <= 200 - bottom
        assert path[:, 1].min() >= left
        assert path[:, 1].max() <= 600 - right
        assert path[-1, 0] > path[0, 0]  # a smaller number is further down


@pytest.mark.parametrize("quantity", list(QUANTITIES))
def test_nothing_to_plot_says_so(quantity):
    plot = CurvePlot(ViewerModel())
    plot.quantity = quantity
    plot.show([])
    said = " ".join(plot.labels.features["label"])
    assert said.startswith("No curves yet")
    assert "Train" in said  # what to do about it


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.5, 1]), (0, 37, [0, 10, 20, 30]), (0, 4e-3, [0, 1e-3, 2e-3, 3e-3, 4e-3])],
)
def test_ticks_are_round(low, high, expected):
    np.testing.assert_allclose(ticks(low, high), expected, atol=1e-12)


def named(name: str, w: float, end: float) -> RunView:
    lines = tuple(
        {"step": step, "w": w, "train_relative_rmse": end, "test_relative_rmse": end + 1 / step}
        for step in range(1, 9)
    )
    return RunView(Path(name), "finished", metrics=lines)


def test_a_click_near_a_curve_names_its_run_and_one_far_off_none(wide_viewer):
    plot = CurvePlot(wide_viewer)
    plot.show([named("low", 0.1, 0.2), named("high", 0.9, 0.8)])
    for name in ("low", "high"):
        path = next(part for run, part in plot._drawn if run == Path(name))
        middle = (path[3] + path[4]) / 2  # between two points, where no point is
        assert plot.run_at(middle[0] + 2.0, middle[1]) == Path(name)
    assert plot.run_at(10.0, 300.0) is None
    plot.show([])
    assert plot.run_at(100.0, 300.0) is None


def test_runs_beside_it_show_their_main_curve_in_the_colour_of_their_w(wide_viewer):
    plot = CurvePlot(wide_viewer)
    plot.show([named("other", 0.1, 0.2), named("own", 0.9, 0.8)])
    assert [run.name for run, _ in plot._drawn] == ["other", "own", "own"]
    np.testing.assert_allclose(plot.lines.edge_color[0], colour_of_w(0.1), atol=1e-6)
    assert plot.lines.edge_width[1] > plot.lines.edge_width[0] > plot.lines.edge_width[2]
    words = plot.labels.features["label"].tolist()
    assert {"other, w 0.10", "• own, w 0.90", "w 0", "steps"} <= set(words)


@pytest.mark.parametrize("n", [1, 4, 11, 30])
def test_labels_keep_a_row_each_within_the_canvas(n):
    rows = np.random.default_rng(n).normal(100, 5, n)
    placed = spread(rows, 26.0, 180.0)
    shown = np.sort(placed[np.isfinite(placed)])
    assert shown.min() >= 26.0 - 1e-9
    assert shown.max() <= 180.0 + 1e-9
    assert (np.diff(shown) >= ROW - 1e-9).all()
    assert len(shown) == min(n, 12)
    order = np.argsort(rows[np.isfinite(placed)])
    assert (np.diff(placed[np.isfinite(placed)][order]) > 0).all()  # in the order of the curves


def test_errors_lie_on_a_logarithmic_axis(wide_viewer):
    plot = CurvePlot(wide_viewer)
    plot.quantity = "Angular error"
    lines = tuple({"step": i, "w": 0.8, "angular_error_deg": 64.0 / 2**i} for i in range(5))
    plot.show([RunView(Path("run"), "finished", metrics=lines)])
    (path,) = plot.lines.data
    np.testing.assert_allclose(np.diff(path[:, 0], 2), 0.0, atol=1e-4)  # halves: equal steps
    assert {"5", "20", "50"} <= set(plot.labels.features["label"])


@pytest.mark.parametrize("size", [(240, 560), (200, 330)])
@pytest.mark.parametrize("quantity", list(QUANTITIES))
def test_words_run_neither_into_each_other_nor_into_the_curves(size, quantity, monkeypatch):
    monkeypatch.setattr("napari_cryoorient.viewer.curves.canvas_size_of", lambda _: size)
    plot = CurvePlot(ViewerModel())
    plot.quantity = quantity
    lines = tuple(
        {
            "step": step,
            "w": 0.5,
            "train_relative_rmse": 0.9 / step,
            "test_relative_rmse": 0.95 / step,
            "loss": 0.5 / step,
            "reprojection": 0.51 / step,
            "qd": 0.52 / step,
            "angular_error_deg": 90.0 / step,
            "shift_error_angstrom": 8.0 / step,
        }
        for step in range(1, 2001, 7)
    )
    plot.show([RunView(Path("run"), "running", metrics=lines)])
    words = plot.labels.features["label"].tolist()
    boxes = []
    for (row, column), word in zip(plot.labels.data, words, strict=True):
        half = 0.42 * LETTER * len(word)
        boxes.append((row - ROW / 2, row + ROW / 2, column - half, column + half))
    for i, (top, bottom, left, right) in enumerate(boxes):
        for path in plot.lines.data:
            is_in = (path[:, 0] > top) & (path[:, 0] < bottom) & (path[:, 1] > left)
            assert not (is_in & (path[:, 1] < right)).any(), words[i]
        for j, other in enumerate(boxes[:i]):
            down = min(bottom, other[1]) - max(top, other[0])
            across = min(right, other[3]) - max(left, other[2])
            assert down <= 1 or across <= 1, (words[i], words[j])
