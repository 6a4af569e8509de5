"""Particles in their micrographs, by clicks: the odd one comes first, and can be left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import read_particles, read_star
from napari_cryoorient.io.star_text import StarBlock, StarFile, write_star
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.data import load_data
from napari_cryoorient.session.excluded import load_excluded
from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.napari_api import camera_of, canvas_size_of
from napari_cryoorient.widgets.micrographs_tab import MicrographsTab

from .conftest import WAIT_MS, AtOnce, Stack, Told

pytestmark = pytest.mark.window
FEW = 2  # particles on the micrograph that is unlike the others
FIELD = 400


@pytest.fixture
def star(made: Stack, tmp_path: Path) -> Path:
    """The stack on micrographs of eleven particles, but one of two, which lies on the disk."""
    source = read_star(made.star)
    block = particle_block(source)
    table = block.table.copy()
    n = len(table)
    places = [0] * FEW + [1 + i % 2 for i in range(n - FEW)]
    table["rlnMicrographName"] = [f"Micrographs/m{place}.mrc" for place in places]
    table["rlnCoordinateX"] = [f"{20 + 15 * i}" for i in range(n)]
    table["rlnCoordinateY"] = [f"{380 - 10 * i}" for i in range(n)]
    stack = made.star.with_name("particles.mrcs")
    table["rlnImageName"] = [f"{i + 1:06d}@{stack}" for i in range(n)]
    blocks = tuple(
        StarBlock(each.name, table, each.is_loop, each.line) if each.name == block.name else each
        for each in source.blocks
    )
    path = tmp_path / "on_micrographs.star"
    write_star(StarFile(blocks), path)
    (tmp_path / "Micrographs").mkdir()
    with StackWriter(tmp_path / "Micrographs" / "m0.mrc", 1, FIELD, 8.0) as writer:
        writer.append(np.random.default_rng(0).normal(size=(1, FIELD, FIELD)).astype(np.float32))
    return path


def test_the_odd_micrograph_comes_first_and_is_left_out(
    qtbot: Any, made: Stack, star: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = Controller(Session(), AtOnce(), Told())
    controller.show(load_data(star, made.map))
    session, micrographs = controller.session, controller.micrographs
    session.set_particle(10)
    tab = MicrographsTab(controller)
    qtbot.addWidget(tab)
    tab.resize(640, 280)
    tab.show()
    qtbot.waitUntil(lambda: min(canvas_size_of(tab.model)) > 50, timeout=WAIT_MS)
    # The micrograph of two particles is unlike the others, shown with its picture.
    assert micrographs.name == "Micrographs/m0.mrc"
    assert tab.table.rowCount() == 3
    assert tab.table.data(tab.table.index(0, 0)) == "m0.mrc"
    assert session.particle == 0
    view = tab.picture
    assert view.image.visible
    np.testing.assert_allclose(view.points.data, [[380, 20], [370, 35]])
    # Its z axis lies along the third column of the pose's matrix, rows first.
    rotations = session.inspection.shown_poses.rotations
    along = view.z_axes.data[1, 1]
    np.testing.assert_allclose(along / along[0], [1, rotations[1, 0, 2] / rotations[1, 1, 2]])
    # All of the field is on the canvas.
    qtbot.wait(300)
    height, width = canvas_size_of(tab.model)
    assert FIELD * camera_of(tab.model).zoom <= min(height, width)
    # Next goes to one without a file, on an empty field.
    qtbot.mouseClick(tab.next_button, Qt.MouseButton.LeftButton)
    assert micrographs.name != "Micrographs/m0.mrc"
    assert not view.image.visible
    assert len(view.points.data) == 11
    assert session.particle in micrographs.overview.particles_on(micrographs.current)
    # The current particle leads the micrograph.
    session.set_particle(1)
    assert micrographs.name == "Micrographs/m0.mrc"
    # A click on a row, then Exclude.
    place = tab.rows.visualRect(tab.table.index(0, 0)).center()
    qtbot.mouseClick(tab.rows.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseClick(tab.exclude_button, Qt.MouseButton.LeftButton)
    n = len(session.inspection)
    assert len(session.selected()) == n - FEW
    assert "\N{BALLOT X}" in tab.table.data(tab.table.index(0, 0))
    assert "1 excluded" in tab.words.whole_text()
    target = tmp_path / "rest.star"
    monkeypatch.setattr(
        "napari_cryoorient.widgets.micrographs_tab.QFileDialog.getSaveFileName",
        lambda *_: (str(target), ""),
    )
    qtbot.mouseClick(tab.export_button, Qt.MouseButton.LeftButton)
    written, _ = read_particles(target)
    assert list(written.names) == list(session.data.particles.names)[FEW:]
    # Whoever opens the stack again finds it left out, whatever is looked at first.
    other = Controller(Session(), AtOnce(), Told())
    other.show(load_data(star, made.map))
    assert len(other.session.selected()) == n - FEW
    assert "1 micrograph excluded before" in other.micrographs._notify.infos[-1]
    other.show(load_data(made.star, made.map))
    assert len(other.session.selected()) == n
    other.close()
    # A second click takes the particles in again.
    qtbot.mouseClick(tab.exclude_button, Qt.MouseButton.LeftButton)
    assert len(session.selected()) == n
    assert load_excluded(star) == frozenset()
    tab.close_canvas()
    assert len(micrographs.changed) == len(micrographs.current_changed) == 0


def test_a_file_without_micrographs_says_so(qtbot: Any, made: Stack) -> None:
    controller = Controller(Session(), AtOnce(), Told())
    controller.show(load_data(made.star, made.map))
    tab = MicrographsTab(controller)
    qtbot.addWidget(tab)
    tab.show()
    assert "does not say which micrograph" in tab.words.whole_text()
    assert not tab.next_button.isEnabled()
    tab.close_canvas()
