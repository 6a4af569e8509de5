"""Two refinements compared by clicks: what differs most comes first, what agrees stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_cryoorient.io.star import read_particles, write_poses
from napari_cryoorient.particles import Poses
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.data import load_data
from napari_cryoorient.session.session import Session
from napari_cryoorient.widgets.compare_tab import CompareTab
from support.pose_sets import rotations

from .conftest import AtOnce, Stack, Told

pytestmark = pytest.mark.window
WRONG = (3, 17)  # rows whose pose in B is another one


@pytest.fixture
def b_path(made: Stack, tmp_path: Path) -> Path:
    """The same poses in a frame of their own, two of them wrong."""
    particles, star = read_particles(made.star)
    turn = rotations(1, 5)[0]
    moved = particles.poses.rotations @ turn
    moved[list(WRONG)] = rotations(len(WRONG), 6)
    path = tmp_path / "b.star"
    write_poses(star, Poses(moved, particles.poses.shifts_angstrom), path)
    return path


@pytest.fixture
def controller(made: Stack) -> Controller:
    controller = Controller(Session(), AtOnce(), Told())
    controller.show(load_data(made.star, made.map))
    return controller


def opened(qtbot: Any, controller: Controller) -> CompareTab:
    tab = CompareTab(controller)
    qtbot.addWidget(tab)
    tab.resize(640, 280)
    tab.show()
    return tab


def test_what_differs_most_comes_first_and_what_agrees_is_exported(
    qtbot, controller, b_path, tmp_path, monkeypatch
):
    session = controller.session
    tab = opened(qtbot, controller)
    assert tab.empty.isVisible()
    assert tab.table.isHidden()
    chosen = iter([(str(b_path), "")])
    monkeypatch.setattr(
        "napari_cryoorient.widgets.compare_tab.QFileDialog.getOpenFileName",
        lambda *_: next(chosen),
    )
    qtbot.mouseClick(tab.b_button, Qt.MouseButton.LeftButton)
    # The two that are wrong in B are the worst, whatever the frame.
    assert session.particle in WRONG
    assert {tab.table.model.particle_of(i) for i in range(2)} == set(WRONG)
    others = np.delete(session.inspection.values("angle difference"), WRONG)
    assert others.max() < 0.1
    assert [view.title for view in session.inspection.pictures] == [
        "input",
        "pose A",
        "pose B",
        "B - A",
    ]
    assert session.criterion == "angle difference"  # which colours the sphere
    assert "under 5°" in tab.words.text()
    assert "turned by" in tab.words.text()
    # A click on the second row goes to its particle.
    view = tab.table.view
    place = view.visualRect(tab.table.model.index(1, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert session.particle == tab.table.model.particle_of(1)
    # The slider says how many agree, and the box leaves the others out.
    n = len(session.inspection)
    assert tab.export_button.text() == f"Export agreeing ({n - 2})…"
    qtbot.mouseClick(tab.only, Qt.MouseButton.LeftButton, pos=tab.only.rect().center() / 4)
    assert len(session.selected()) == n - 2
    target = tmp_path / "agreeing.star"
    monkeypatch.setattr(
        "napari_cryoorient.widgets.compare_tab.QFileDialog.getSaveFileName",
        lambda *_: (str(target), ""),
    )
    qtbot.mouseClick(tab.export_button, Qt.MouseButton.LeftButton)
    written, _ = read_particles(target, project_dir=controller.session.data.star_path.parent)
    assert list(written.names) == [
        name for i, name in enumerate(session.data.particles.names) if i not in WRONG
    ]
    # Neither particles of excluded micrographs nor rejected ones are among them.
    session.set_excluded(np.array([0, 1]))
    session.set_particle(5)
    controller.marking.mark("reject")
    tab._pull()
    assert tab.export_button.text() == f"Export agreeing ({n - 5})…"
    qtbot.mouseClick(tab.export_button, Qt.MouseButton.LeftButton)
    written, _ = read_particles(target, project_dir=controller.session.data.star_path.parent)
    left = [
        name for i, name in enumerate(session.data.particles.names) if i not in (*WRONG, 0, 1, 5)
    ]
    assert list(written.names) == left
    controller.marking.mark(None)
    # Clear brings back the stack's own poses.
    qtbot.mouseClick(tab.clear_button, Qt.MouseButton.LeftButton)
    assert session.inspection.kind == "poses"
    assert session.fourth == "none"
    assert tab.empty.isVisible()
    tab.close_canvas()
    assert len(controller.refinements.changed) == 0


def test_the_images_tell_which_pose_is_right(qtbot, controller, b_path):
    session = controller.session
    tab = opened(qtbot, controller)
    controller.refinements.compare(b_path)
    assert tab.ask_button.isEnabled()
    qtbot.mouseClick(tab.ask_button, Qt.MouseButton.LeftButton)
    known = session.inspection.values("probability of A")
    assert (known[list(WRONG)] > 0.95).all()
    assert np.abs(np.delete(known, WRONG) - 0.5).max() < 0.1
    assert "2 clearly prefer A, 0 B" in tab.words.text()
    assert session.inspection.source == "other file"
    tab.close_canvas()


def test_another_stack_forgets_the_comparison(qtbot, controller, made, b_path):
    tab = opened(qtbot, controller)
    controller.refinements.compare(b_path)
    controller.show(load_data(made.star, None))  # the same file without its map
    assert controller.refinements.found is not None
    controller.show(load_data(b_path, None, project_dir=made.star.parent))
    assert controller.refinements.found is None
    assert tab.empty.isVisible()
    tab.close_canvas()
