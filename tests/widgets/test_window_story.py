"""The story in a real window: load, train, steer, stop, resume, browse, filter, export, reload."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.star import read_star
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.session.follow import RunView
from napari_cryoorient.simulation.simulate import (
    SimulationSettings,
    draw_simulation,
    working_map,
    write_simulation,
)

from .conftest import WAIT_MS, Stack

pytestmark = pytest.mark.window

REAL_MAP = Path("maps") / "emd_1832.map"
BOX, N, STEPS = 32, 40, 200


@pytest.fixture
def stack(made: Stack, tmp_path: Path) -> Stack:
    """Images of a real map where there is one here, else of one made by code."""
    here = Path(__file__).resolve().parents[3] / "shared" / "data"
    path = Path(os.environ.get("CRYOORIENT_DATA", here)) / REAL_MAP
    if not path.is_file():
        return made
    density = working_map(read_map(path), BOX)
    settings = SimulationSettings(n=N, snr=1.0, shift_sigma_angstrom=6.0)
    star = write_simulation(draw_simulation(density, settings), tmp_path / "data")
    return Stack(star, star.with_name("map.mrc"))


def test_load_train_steer_stop_resume_browse_export_reload(open_dock, qtbot, stack, tmp_path):
    dock = open_dock()
    viewer = dock.workspace.particles.model
    session, train = dock.session, dock.train_section

    def until(condition):
        qtbot.waitUntil(condition, timeout=WAIT_MS)

    assert dock.data_section.welcome.isVisible()
    dock.data_section.map_row._choose(stack.map)
    dock.data_section.star_row._choose(stack.star)
    until(lambda: session.inspection.kind == "poses" and session.data.is_trainable)
    until(lambda: len(viewer.layers) == 2)
    n = len(session.data.particles)

    session.change_settings(preset="paper", box=BOX, batch_size=2, weights="none", steps=STEPS)
    session.change_settings(device="cpu", precision="float32")
    train.run_row._choose(tmp_path / "run")
    train.train_button.click()
    until(lambda: session.inspection.kind == "preview")
    # The run waits while the window is looked at, so as not to be over.
    pid = RunReader(tmp_path / "run").run().pid
    os.kill(pid, signal.SIGSTOP)
    assert [layer.name for layer in viewer.layers] == ["input", "true pose", "predicted pose"]
    train.w_slider.setValue(0.25)
    os.kill(pid, signal.SIGCONT)
    until(lambda: session.run.is_over or session.run.metrics[-1]["w"] == 0.25)
    os.kill(pid, signal.SIGSTOP)
    assert not session.run.is_over
    curves = dock.tabs.show_tab("Curves")
    until(lambda: len(curves.plot.lines.data) > 0)

    train.stop_button.click()
    assert train.stop_button.text() == "Stopping…"
    os.kill(pid, signal.SIGCONT)
    until(lambda: not session.is_training)
    assert session.run.state == "stopped"
    stopped_at = session.run.metrics[-1]["step"]
    assert stopped_at < STEPS

    train.w_slider.setValue(0.6)
    train.resume_button.click()
    until(lambda: session.inspection.kind == "predictions")
    assert session.run.state == "finished"
    values = {line["step"]: line["w"] for line in session.run.metrics}
    assert values[max(values)] == pytest.approx(0.6)
    assert max(values) == STEPS
    assert min(step for step, w in values.items() if w == pytest.approx(0.6)) > stopped_at
    assert viewer.layers[0].data.shape[0] == n

    directions = dock.tabs.show_tab("Directions")
    until(lambda: len(directions.sphere.points.data) == n)
    viewer.dims.set_current_step(0, 5)
    assert session.particle == 5
    assert dock.inspect_section.particle.value() == 6  # counted from 1, as image names are
    until(
        lambda: np.allclose(
            directions.sphere.current.data[0], 1.01 * directions.sphere.points.data[5]
        )
    )
    dock.inspect_section.worse.click()
    until(lambda: bool(dock.inspect_section.facts.rows()))
    dock.inspect_section.filter.setChecked(True)
    n_kept = len(session.selected())
    assert 0 < n_kept < n
    picture = np.asarray(dock.workspace.particles.qt_viewer.screenshot(flash=False))
    assert picture[..., :3].std() > 0

    out = stack.star.with_name("selection.star")
    dock.controller.exports.poses(out, "kept")
    until(out.is_file)
    until(lambda: dock.jobs.busy == "")
    kept = session.selected()
    poses = session.predictions.poses[kept]
    before = particle_block(read_star(stack.star)).table
    after = particle_block(read_star(out)).table
    assert list(after["rlnImageName"]) == list(before["rlnImageName"].iloc[kept])
    assert set(before.columns) <= set(after.columns)

    dock.data_section.star_row._choose(out)
    until(lambda: session.data.star_path == out and session.inspection.kind == "poses")
    assert viewer.layers[0].data.shape[0] == n_kept
    np.testing.assert_allclose(session.data.particles.poses.rotations, poses.rotations, atol=1e-6)


def test_closing_on_a_run_asks_and_takes_no_for_an_answer(open_dock, tmp_path):
    dock = open_dock()
    asked = []
    dock.workbench.ask_before_closing = lambda: asked.append(True)  # None: no, do not close
    window = dock.window()
    dock.session.set_run(RunView(tmp_path, "running"))
    window.close()
    assert asked == [True]
    assert window.isVisible()
    assert len(dock.session.inspection_changed) > 0  # all is as before
    dock.session.set_run(RunView(tmp_path, "stopped"))


def test_opening_the_dock_costs_no_torch(open_dock):
    had_torch = "torch" in sys.modules
    open_dock()
    assert ("torch" in sys.modules) == had_torch
