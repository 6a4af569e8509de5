"""The names of napari before and since 0.9 lead to the same things."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari import settings
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.action_manager import action_manager

from napari_cryoorient.viewer import napari_api


def stand_in(*, is_new: bool) -> SimpleNamespace:
    camera, grid = SimpleNamespace(zoom=3.0), SimpleNamespace(enabled=True)
    if is_new:
        canvas = SimpleNamespace(grid=grid, size=(200, 600))
        return SimpleNamespace(scene=SimpleNamespace(camera=camera), canvas=canvas)
    return SimpleNamespace(camera=camera, grid=grid, _canvas_size=(200, 600))


@pytest.mark.parametrize("is_new", [True, False], ids=["since 0.9", "before 0.9"])
def test_camera_grid_and_size_are_found_in_either_place(is_new):
    viewer = stand_in(is_new=is_new)
    assert napari_api.camera_of(viewer).zoom == 3.0
    assert napari_api.grid_of(viewer).enabled
    assert napari_api.canvas_size_of(viewer) == (200, 600)


def test_shortcuts_are_bound_again_without_a_word():
    if not hasattr(action_manager.events, "shortcut_changed"):
        pytest.skip("this napari has no screens that show shortcuts")
    heard = []
    listener = action_manager.events.shortcut_changed.connect(lambda _event: heard.append(1))
    with napari_api.muted_shortcuts():
        action_manager.events.shortcut_changed(name="a", shortcut="b", tooltip="c")
    assert not heard
    action_manager.events.shortcut_changed(name="a", shortcut="b", tooltip="c")
    assert heard == [1]
    action_manager.events.shortcut_changed.disconnect(listener)


def test_the_installed_napari_has_them():
    viewer = ViewerModel()
    napari_api.camera_of(viewer).zoom = 2.5
    napari_api.grid_of(viewer).shape = (1, 3)
    assert napari_api.camera_of(viewer).zoom == 2.5
    assert napari_api.grid_of(viewer).shape == (1, 3)
    assert min(napari_api.canvas_size_of(viewer)) > 0


@pytest.mark.window
def test_a_canvas_that_grows_is_told_of_with_its_new_size(make_napari_viewer, qtbot):
    from napari.qt import QtViewer

    model, sizes = ViewerModel(), []
    qt_viewer = QtViewer(model)
    qtbot.addWidget(qt_viewer)
    napari_api.call_on_resize(
        model, qt_viewer, lambda *_: sizes.append(napari_api.canvas_size_of(model))
    )
    qt_viewer.resize(400, 300)
    qt_viewer.show()
    qtbot.waitUntil(lambda: bool(sizes), timeout=20_000)
    sizes.clear()
    qt_viewer.resize(700, 500)
    qtbot.waitUntil(lambda: bool(sizes), timeout=20_000)
    assert sizes[-1] == napari_api.canvas_size_of(model)
    assert sizes[-1][1] > 500
    qt_viewer.close()


def test_titles_follow_the_names_of_the_layers():
    viewer = ViewerModel()
    layers = [viewer.add_image(np.zeros((4, 4)), name=name) for name in ("input", "true pose")]
    napari_api.show_titles(viewer, layers, font_size=12)
    layers[1].name = "predicted pose"
    if hasattr(Image, "name_overlay"):
        assert all(layer.name_overlay.visible for layer in layers)
    else:
        assert viewer.text_overlay.visible
        assert viewer.text_overlay.text == "input   |   predicted pose"


def test_without_titles_of_layers_one_line_names_them_all(monkeypatch):
    monkeypatch.setattr(napari_api, "Image", object)
    overlay = SimpleNamespace(visible=False, text="", font_size=0)
    viewer = ViewerModel()
    layers = [viewer.add_image(np.zeros((4, 4)), name=name) for name in ("input", "true pose")]
    napari_api.show_titles(SimpleNamespace(text_overlay=overlay), layers, font_size=12)
    assert overlay.text == "input   |   true pose"
    layers[0].name = "blink: true"
    assert overlay.text == "blink: true   |   true pose"


def test_a_napari_without_preferences_for_plugins_gives_the_defaults(monkeypatch):
    monkeypatch.delattr(settings, "get_plugin_settings", raising=False)
    assert napari_api.preferences() == napari_api.Preferences("auto", "")
