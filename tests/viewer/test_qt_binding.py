"""A window wants napari and PyQt6 or PySide6; what else is found is answered in one sentence."""

from __future__ import annotations

import os
from importlib.machinery import ModuleSpec

import pytest

from napari_cryoorient.viewer import qt_binding


@pytest.fixture
def install(monkeypatch):
    """Make believe that exactly these packages are installed, and that QT_API is as given."""

    def pretend(*packages: str, qt_api: str | None = None) -> None:
        monkeypatch.setattr(
            qt_binding,
            "find_spec",
            lambda name: ModuleSpec(name, None) if name in packages else None,
        )
        monkeypatch.setenv("QT_API", qt_api or "")
        if qt_api is None:
            monkeypatch.delenv("QT_API")

    return pretend


@pytest.mark.parametrize("binding", ["PyQt6", "PySide6"])
def test_napari_with_either_binding_is_all_it_takes(install, binding):
    install("napari", "qtpy", binding)
    assert qt_binding.window_problem() is None


@pytest.mark.parametrize(
    ("packages", "qt_api", "sentence"),
    [
        ((), None, "napari is not installed here; install it with: "),
        (("napari", "qtpy"), None, "napari has no Qt to draw with here; install PyQt6 with: "),
        (("napari", "qtpy", "PyQt5"), None, "napari has only PyQt5 here, which is not supported"),
        (("napari", "qtpy", "PyQt5", "PyQt6"), "pyqt5", "QT_API names pyqt5"),
    ],
    ids=["no napari", "no Qt", "PyQt5", "QT_API"],
)
def test_what_is_missing_is_said_in_one_sentence(install, packages, qt_api, sentence):
    install(*packages, qt_api=qt_api)
    problem = qt_binding.window_problem()
    assert problem is not None
    assert problem.startswith(sentence)
    assert problem.endswith(".")


@pytest.mark.parametrize(
    ("python", "pyside", "is_broken"),
    [((3, 11), "6.12.0", True), ((3, 12), "6.12.0", False), ((3, 11), "6.11.1", False)],
)
def test_a_pyside_that_ends_python_is_refused(install, monkeypatch, python, pyside, is_broken):
    monkeypatch.setattr(qt_binding, "PYTHON", python)
    monkeypatch.setattr(qt_binding, "version", lambda _: pyside)
    assert bool(qt_binding.binding_problem("PySide6")) == is_broken
    assert qt_binding.binding_problem("PyQt6") is None
    install("napari", "qtpy", "PySide6")
    assert bool(qt_binding.window_problem()) == is_broken
    install("napari", "qtpy", "PySide6", "PyQt6")
    assert qt_binding.window_problem() is None


def test_view_says_it_and_ends_with_status_2(install, run, monkeypatch, tmp_path):
    install("napari", "qtpy")
    monkeypatch.setattr("napari_cryoorient.cli.view.has_screen", lambda: True)
    (tmp_path / "map.mrc").touch()
    status, _, err = run("view", tmp_path / "map.mrc")
    assert status == 2
    assert "napari has no Qt to draw with here" in err
    assert "Traceback" not in err


def test_of_an_old_and_a_new_binding_the_new_one_is_taken(install):
    install("napari", "qtpy", "PyQt5", "PySide6")
    qt_binding.prefer_new_binding()
    assert os.environ["QT_API"] == "pyside6"


def test_a_choice_of_the_user_is_left_alone(install):
    install("napari", "qtpy", "PyQt5", "PyQt6", "PySide6", qt_api="pyside6")
    qt_binding.prefer_new_binding()
    assert os.environ["QT_API"] == "pyside6"


def test_the_panel_does_not_start_on_pyqt5(monkeypatch):
    from napari.components import ViewerModel

    from napari_cryoorient.errors import InputError
    from napari_cryoorient.widgets import dock

    monkeypatch.setattr(dock.qtpy, "API_NAME", "PyQt5")
    with pytest.raises(InputError, match="does not run on PyQt5: install PyQt6 or PySide6"):
        dock.CryoOrientDock(ViewerModel())
