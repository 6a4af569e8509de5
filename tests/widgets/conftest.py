"""Files for the widgets; a test that leaves a widget of its own behind fails."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QApplication

from support.session import AtOnce, Stack, Told, made

__all__ = ["WAIT_MS", "AtOnce", "Stack", "Told", "made"]

# Generous: nothing is timed here, and CI may be slow.
WAIT_MS = 120_000


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


@pytest.fixture
def open_dock(make_napari_viewer: Any, qtbot: Any) -> Iterator[Callable[..., Any]]:
    """Open the panel in a real window, as the Plugins menu does.

    A run that a failed test leaves behind is stopped, and the window closes without a question.
    """
    docks = []

    def open_it(*, has_panels: bool = True) -> Any:
        viewer = make_napari_viewer(show=True)
        _, dock = viewer.window.add_plugin_dock_widget("napari-cryoorient", "CryoOrient")
        if has_panels:
            qtbot.waitUntil(lambda: dock.tabs is not None, timeout=WAIT_MS)
        docks.append(dock)
        return dock

    yield open_it
    while docks:
        dock = docks.pop()
        dock.session.ask_to_stop()
        dock.workbench.ask_before_closing = lambda: True
