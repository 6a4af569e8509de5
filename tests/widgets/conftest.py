"""Files for the widgets; a test that leaves a widget of its own behind fails."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QApplication

from session.conftest import AtOnce, Stack, Told, made

__all__ = ["AtOnce", "Stack", "Told", "made"]


@pytest.fixture(autouse=True)
def no_widget_left(qapp: QApplication) -> Iterator[None]:
    before = set(map(id, qapp.topLevelWidgets()))
    yield
    gc.collect()
    qapp.processEvents()
    left = [w for w in qapp.topLevelWidgets() if id(w) not in before and w.isVisible()]
    assert not left, f"left open: {left}"


@pytest.fixture(autouse=True)
def memory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what tests remember away from what the user does."""
    store = QSettings(str(tmp_path / "memory.ini"), QSettings.Format.IniFormat)
    monkeypatch.setattr("napari_cryoorient.widgets.memory.QSettings", lambda *_: store)
