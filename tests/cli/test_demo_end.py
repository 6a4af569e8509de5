"""The demo ends in napari, in a picture of napari, or in a sentence on why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_cryoorient.cli import demo, screen
from napari_cryoorient.errors import InputError


@pytest.fixture
def here(monkeypatch):
    """What this machine has, for the test to change."""
    has = {"napari": True, "screen": True, "xvfb": True}
    calls: list[tuple] = []
    monkeypatch.setattr(
        "napari_cryoorient.viewer.qt_binding.window_problem",
        lambda: None if has["napari"] else "napari is not installed here.",
    )
    monkeypatch.setattr(demo, "has_screen", lambda: has["screen"])
    monkeypatch.setattr(demo, "can_draw_unseen", lambda: has["xvfb"])
    monkeypatch.setattr(demo, "picture_of", lambda *args: calls.append(("picture", *args)))
    monkeypatch.setattr(
        "napari_cryoorient.viewer.window.open_window", lambda *args: calls.append(("window", *args))
    )
    return has, calls


@pytest.mark.parametrize(
    ("change", "headless", "did", "said"),
    [
        ({}, False, "window", "napari opens with the finished run"),
        ({}, True, "picture", "A picture of napari with the finished run: out.png"),
        ({"screen": False}, False, "picture", "A picture of napari"),
        ({"xvfb": False}, True, None, "no virtual screen"),
        ({"napari": False}, False, None, "napari is not installed here. The pictures"),
    ],
    ids=["screen", "headless", "no screen", "no virtual screen", "no napari"],
)
def test_the_sentence_says_what_happened(here, capsys, change, headless, did, said):
    has, calls = here
    has.update(change)
    demo._show(Path("run"), Path("out.png"), headless=headless)
    assert [call[0] for call in calls] == ([did] if did else [])
    assert said in capsys.readouterr().out


def test_a_picture_that_fails_does_not_fail_the_demo(here, capsys, monkeypatch):
    def fail(*_: object) -> None:
        raise InputError("napari could not be drawn on a virtual screen: no GL")

    monkeypatch.setattr(demo, "picture_of", fail)
    demo._show(Path("run"), Path("out.png"), headless=True)
    assert "No picture of napari" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environment", "expected"), [({"DISPLAY": ":7"}, True), ({}, False)], ids=["some", "none"]
)
def test_a_screen_is_what_the_environment_names(monkeypatch, environment, expected):
    monkeypatch.setattr(screen.sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert screen.has_screen() is expected
