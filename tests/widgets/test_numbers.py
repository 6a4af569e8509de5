"""Numbers are typed and read alike in every locale."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from qtpy.QtCore import QLocale
from qtpy.QtGui import QValidator
from qtpy.QtTest import QTest

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.session import Session
from napari_cryoorient.widgets.numbers import FloatOrEmpty, IntOrEmpty, NumberEdit
from napari_cryoorient.widgets.poses_part import PosesPart
from napari_cryoorient.widgets.train_section import TrainSection

from .conftest import AtOnce, Told


@pytest.fixture(params=["en_US", "de_DE", "fr_CH"], autouse=True)
def locale(request: pytest.FixtureRequest) -> Iterator[None]:
    before = QLocale()
    QLocale.setDefault(QLocale(request.param))
    yield
    QLocale.setDefault(before)


@pytest.mark.parametrize(
    ("typed", "meant"), [("12,5", 12.5), ("12.5", 12.5), ("1.000", 1.0), ("", None)]
)
def test_what_is_typed_is_what_is_read(qtbot, typed, meant):
    edit = NumberEdit(FloatOrEmpty(0.0, 1e4), "8% of the box")
    qtbot.addWidget(edit)
    QTest.keyClicks(edit, typed)
    assert edit.hasAcceptableInput()
    assert edit.number() == meant


def test_groups_and_letters_are_refused(qtbot):
    for typed in ("1.000.000", "12e", "a"):
        state = FloatOrEmpty(0.0, 1e9).validate(typed, 0)[0]
        assert state != QValidator.State.Acceptable, typed
    assert IntOrEmpty(1, 9).validate("1,0", 0)[0] == QValidator.State.Invalid


def test_the_panel_takes_both(qtbot, monkeypatch):
    controller = Controller(Session(), AtOnce(), Told())
    asked = []
    for command in ("search", "refine", "null_test"):
        monkeypatch.setattr(controller.pose_jobs, command, lambda **given: asked.append(given))
    part = PosesPart(controller)
    qtbot.addWidget(part)
    QTest.keyClicks(part.rows["subset"], "50")
    QTest.keyClicks(part.rows["shift_range_angstrom"], "12,5")
    part._on_search()
    assert asked.pop() == {"subset": 50, "shift_range_angstrom": 12.5}
    part._on_null_test()
    assert asked.pop() == {"shift_range_angstrom": 12.5}
    QTest.keyClicks(part.rows["resolution_angstrom"], "7,5")
    part._on_refine()
    assert asked.pop() == {"resolution_angstrom": 7.5}

    train = TrainSection(controller)
    qtbot.addWidget(train)
    minutes = train.main_rows["minutes"]
    QTest.keyClicks(minutes, "1,5")
    minutes.editingFinished.emit()
    assert controller.session.settings.minutes == 1.5
