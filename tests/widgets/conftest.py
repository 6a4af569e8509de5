"""Files for the widgets; a test that leaves a widget of its own behind fails."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
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
