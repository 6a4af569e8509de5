"""All that a training needs is seen at once on a small screen, and nothing jumps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QRect
from qtpy.QtWidgets import QWidget

from napari_cryoorient.runs.record import RunRecord
from napari_cryoorient.session.follow import RunView

from .conftest import WAIT_MS, Stack

pytestmark = pytest.mark.window


def is_whole(widget: QWidget) -> bool:
    """Tell whether no part of a widget is cut off or scrolled away."""
    return widget.isVisible() and widget.visibleRegion().boundingRect() == widget.rect()


def run_view(folder: Any, n_lines: int, log: str = "") -> RunView:
    lines = tuple(
        {
            "step": i + 1,
            "seconds": float(i),
            "time_left_s": 100.0 - i,
            "images_per_second": 300.0,
            "w": 0.8,
            "test_relative_rmse": 1.0 / (i + 1),
            "angular_error_deg": 50.0 / (i + 1),
        }
        for i in range(n_lines)
    )
    record = {
        "phase": "training",
        "device": {"name": "cpu (2 threads)", "precision": "bfloat16"},
        "memory": {"resident_bytes": 2**30},
    }
    return RunView(folder, "running", record=RunRecord.of(record), metrics=lines, log=log)


@pytest.mark.parametrize("size", [(1366, 768), (1024, 700)])
def test_w_stop_progress_and_curve_are_seen_together_and_stay_where_they_are(
    open_dock, qtbot, made: Stack, tmp_path, size
):
    dock = open_dock()
    window = dock.window()
    window.resize(*size)
    dock.controller.load(made.star, made.map)
    qtbot.waitUntil(lambda: dock.session.data.is_trainable and not dock.jobs.busy, timeout=WAIT_MS)
    qtbot.wait(300)
    assert (window.width(), window.height()) == size
    dock.show_step("2 Train")
    train, session = dock.train_section, dock.session
    qtbot.wait(300)
    seen = (
        train.w_slider,
        train.suggest_button,
        train.train_button,
        train.stop_button,
        train.headline,
        train.bar,
        train.details,
    )

    def places() -> list[QRect]:
        return [QRect(w.mapTo(dock, QPoint(0, 0)), w.size()) for w in seen]

    before = places()
    session.set_run(run_view(tmp_path, 20, log="line\n" * 50))
    session.set_advice("For the new stack, symmetry, labels and w are back at their defaults.")
    qtbot.wait(300)
    assert places() == before
    assert all(is_whole(widget) for widget in seen), [w for w in seen if not is_whole(w)]
    curves = dock.tabs.built["Curves"]
    assert is_whole(curves)
    qtbot.waitUntil(lambda: len(curves.plot.lines.data) > 0, timeout=WAIT_MS)
    assert min(curves.model.canvas.size) > 120
    triptych = dock.workspace.particles
    assert is_whole(triptych.slider)
    assert triptych.height() >= 0.4 * dock.height()
    assert dock.width() < 0.4 * window.width()
    session.set_run(None)


def test_images_are_fitted_again_when_the_window_changes(open_dock, qtbot, made: Stack):
    dock = open_dock()
    window = dock.window()
    window.resize(1366, 900)
    dock.controller.load(made.star, made.map)
    qtbot.waitUntil(lambda: dock.session.data.is_trainable and not dock.jobs.busy, timeout=WAIT_MS)
    particles = dock.workspace.particles

    def lit_part() -> float:
        qtbot.wait(500)
        pixels = np.asarray(particles.qt_viewer.screenshot(flash=False))[..., :3].mean(-1)
        half = pixels[:, : pixels.shape[1] // 2]
        rows = np.flatnonzero((half > 0).any(1))
        columns = np.flatnonzero((half > 0).any(0))
        return float(max(np.ptp(rows) / half.shape[0], np.ptp(columns) / half.shape[1]))

    assert lit_part() > 0.8
    window.resize(1024, 700)
    assert lit_part() > 0.8
    total = sum(dock.workspace.sizes())
    dock.workspace.setSizes([total // 3, total - total // 3])
    assert lit_part() > 0.8
