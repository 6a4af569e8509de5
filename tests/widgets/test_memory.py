"""What the user set is there the next time; what no longer fits is forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from qtpy.QtCore import QSettings

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.session.session import Session
from napari_cryoorient.widgets.memory import Memory


@pytest.fixture
def store(tmp_path: Path) -> QSettings:
    return QSettings(str(tmp_path / "memory.ini"), QSettings.Format.IniFormat)


def test_settings_come_back(store):
    Memory(store).keep_settings(TrainConfig(preset="paper", w=0.3, symmetry="D7", steps=50))
    store.sync()
    session = Session()
    Memory(QSettings(store.fileName(), QSettings.Format.IniFormat)).recall_settings(session)
    assert (session.settings.preset, session.settings.w, session.settings.steps) == (
        "paper",
        0.3,
        50,
    )
    assert session.settings.symmetry == "C1"  # that of a data set, not of the user


@pytest.mark.parametrize("kept", ["{broken", json.dumps({"w": 7, "preset": "fast", "new": 1}), "3"])
def test_what_no_longer_fits_is_forgotten(store, kept):
    store.setValue("settings", kept)
    session = Session()
    Memory(store).recall_settings(session)
    assert session.settings == TrainConfig()


def test_folder_and_closed_sections_come_back(store, tmp_path):
    memory = Memory(store)
    memory.keep_folder(tmp_path)
    memory.keep_closed_sections(["1 Data"])
    assert (memory.folder(), memory.closed_sections()) == (tmp_path, ["1 Data"])
    memory.keep_folder(tmp_path / "gone")
    assert memory.folder() == Path.home()
