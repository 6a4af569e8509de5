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
    assert (session.settings.preset, session.settings.steps) == ("paper", 50)
    # These belong to a data set, not to the user.
    assert (session.settings.symmetry, session.settings.w) == ("C1", TrainConfig().w)


@pytest.mark.parametrize(
    "kept", ["{broken", json.dumps({"steps": -7, "preset": "fast", "new": 1}), "3"]
)
def test_what_no_longer_fits_is_forgotten(store, kept):
    store.setValue("settings", kept)
    session = Session()
    Memory(store).recall_settings(session)
    assert session.settings == TrainConfig()


def test_the_folder_comes_back(store, tmp_path):
    memory = Memory(store)
    memory.keep_folder(tmp_path)
    assert memory.folder() == tmp_path
    memory.keep_folder(tmp_path / "gone")
    assert memory.folder() == Path.home()
