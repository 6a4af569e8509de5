"""Marks by hand: kept through undo and redo, in a file, and stronger than the filter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.marks import Marks, load_marks, marks_path, save_marks
from napari_cryoorient.session.session import Session

from .conftest import AtOnce, Stack, Told


def test_undo_and_redo_go_through_all_changes():
    marks = Marks()
    assert marks.set(3, "reject")
    assert marks.set(3, "keep")
    assert not marks.set(3, "keep")  # no change, nothing to undo
    assert marks.set(5, "reject")
    assert [marks.undo(), marks.undo()] == [5, 3]
    assert marks.of(3) == "reject"
    assert marks.redo() == 3
    assert marks.of(3) == "keep"
    marks.set(7, "keep")
    assert not marks.can_redo


def test_marks_come_back_by_image_name(tmp_path: Path):
    names = ("1@a.mrcs", "2@a.mrcs", "3@a.mrcs")
    star = tmp_path / "particles.star"
    save_marks(Marks({0: "reject", 2: "keep"}), star, names)
    again = load_marks(star, ("3@a.mrcs", "1@a.mrcs"))  # another order, one row less
    assert (again.of(0), again.of(1)) == ("keep", "reject")
    assert len(load_marks(tmp_path / "other.star", names)) == 0


def test_the_hand_is_stronger_than_the_filter_and_reaches_the_export(made: Stack, tmp_path: Path):
    told = Told()
    controller = Controller(Session(), AtOnce(), told)
    controller.load(made.star, made.map)
    session = controller.session
    session.set_correlations(np.linspace(0.0, 1.0, len(session.inspection)))
    session.set_selection("correlation", 0.5)
    kept = set(session.selected())
    worst, best = 0, len(session.inspection) - 1
    session.set_particle(worst)
    controller.marking.mark("keep")
    session.set_particle(best)
    controller.marking.mark("reject")
    assert set(session.selected()) == (kept | {worst}) - {best}
    assert marks_path(made.star).is_file()

    out = made.star.with_name("rejected.star")
    controller.exports.poses(out, "rejected")
    from napari_cryoorient.io.star import read_particles

    names = session.data.particles.names
    assert list(read_particles(out)[0].names) == [names[best]]

    controller.marking.undo()
    assert session.particle == best
    assert set(session.selected()) == kept | {worst}
    controller.load(made.star, None)  # the same stack: marks stay
    assert session.marks.of(worst) == "keep"
    again = Controller(Session(), AtOnce(), Told())
    again.load(made.star, made.map)
    assert again.session.marks.of(worst) == "keep"
    marks_path(made.star).unlink()
    assert not told.errors
    assert not told.warnings
