"""Rows made from the settings' fields show them, and tell only what the user does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFormLayout, QLineEdit, QWidget

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.widgets.setting_rows import SettingRows, label_of


@pytest.fixture
def told() -> list[tuple[str, Any]]:
    return []


@pytest.fixture
def rows(qtbot, told) -> Iterator[SettingRows]:
    panel = QWidget()
    qtbot.addWidget(panel)
    names = [name for name in TrainConfig.model_fields if name != "w"]
    made = SettingRows(names, QFormLayout(panel), lambda *change: told.append(change))
    made.pull(TrainConfig())
    yield made
    panel.deleteLater()


def test_every_setting_has_a_row_with_its_description(rows):
    for name in TrainConfig.model_fields:
        if name != "w":
            tip = rows[name].toolTip()
            assert on_screen(TrainConfig.setting(name).help) in tip
            assert "--" not in tip  # flags are the command line's


def test_showing_settings_tells_nothing(rows, told):
    rows.pull(TrainConfig(preset="paper", steps=7, device="cpu", symmetry="D7"))
    assert told == []
    assert rows["steps"].text() == "7"
    assert rows["symmetry"].text() == "D7"
    assert rows["device"].currentText() == "cpu"


def test_what_is_left_open_shows_the_preset_s_value(rows):
    rows.pull(TrainConfig(preset="paper"))
    assert rows["steps"].text() == ""
    assert "2000" in rows["steps"].placeholderText()
    assert "quaternion" in rows["representation"].currentText()


def test_a_typed_number_is_told_and_an_emptied_one_is_the_preset_s(rows, told, qtbot):
    edit = rows["steps"]
    assert isinstance(edit, QLineEdit)
    qtbot.keyClicks(edit, "250")
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert told == [("steps", 250)]
    edit.selectAll()
    qtbot.keyClick(edit, Qt.Key.Key_Delete)
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert told[-1] == ("steps", None)


def test_a_choice_is_told(rows, told):
    box = rows["representation"]
    assert isinstance(box, QComboBox)
    box.setCurrentIndex(box.findData("6d"))
    box.setCurrentIndex(0)
    assert told == [("representation", "6d"), ("representation", None)]


def test_labels_carry_their_unit():
    assert label_of(TrainConfig, "minutes") == "Time (min)"
    assert label_of(TrainConfig, "box") == "Working box (px)"
