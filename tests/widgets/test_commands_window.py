"""The menus of a real window offer the plugin's commands, and these find viewer and layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import starfile
from qtpy.QtWidgets import QFileDialog, QMenu

from .conftest import Stack

pytestmark = pytest.mark.window

PLUGIN = "napari-cryoorient"


def texts(menu: QMenu) -> list[str]:
    """Every entry below a menu, built as if it were opened."""
    menu.aboutToShow.emit()
    found = []
    for action in menu.actions():
        inner = action.menu()
        found += [action.text(), *(texts(inner) if isinstance(inner, QMenu) else [])]
    return [text.replace("&", "") for text in found]


def trigger(menu: QMenu, text: str) -> None:
    """Choose an entry as its user does."""
    menu.aboutToShow.emit()
    for action in menu.actions():
        inner = action.menu()
        if isinstance(inner, QMenu) and any(text in found for found in texts(inner)):
            trigger(inner, text)
            return
        if text in action.text().replace("&", ""):
            action.trigger()
            return
    raise LookupError(text)


def test_menus_offer_and_do(make_napari_viewer, made: Stack, tmp_path: Path, monkeypatch):
    viewer = make_napari_viewer(show=True)
    window = viewer.window
    file_menu, layers_menu = window.file_menu, window.layers_menu
    offered = texts(file_menu)
    assert any("Open a CryoOrient run" in text for text in offered)
    assert any("EMD-6287" in text for text in offered)
    assert any("Made particles, D7" in text for text in offered)
    assert any("Viewing directions" in text for text in texts(layers_menu))

    viewer.open(made.star, plugin=PLUGIN)
    out = tmp_path / "saved.star"
    monkeypatch.setattr(
        QFileDialog,
        "getSaveFileName",
        lambda *_: (str(out), "RELION 3.0 and before (*.star)"),
    )
    trigger(file_menu, "Save poses as a STAR file")
    assert len(starfile.read(out)) == 24
    assert "rlnDetectorPixelSize" in starfile.read(out)

    folder = tmp_path / "no run"
    folder.mkdir()
    told = []
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    monkeypatch.setattr(
        "napari_cryoorient.widgets.workbench.Notifications.error", lambda _, text: told.append(text)
    )
    trigger(file_menu, "Open a CryoOrient run")
    assert len(told) == 1
    assert "no run.json" in told[0]


def test_viewing_directions_come_in_a_window_of_their_own(
    make_napari_viewer, made: Stack, monkeypatch
):
    import napari

    from napari_cryoorient.widgets import commands

    viewer = make_napari_viewer()
    viewer.open(made.star, plugin=PLUGIN)
    monkeypatch.setattr(napari, "Viewer", lambda **options: make_napari_viewer(**options))
    other = commands.show_directions(viewer)
    (layer,) = other.layers
    np.testing.assert_allclose(np.linalg.norm(layer.data, axis=1), 1.0)
    assert other.dims.ndisplay == 3
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image"]
