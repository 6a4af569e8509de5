"""Which Qt a window runs on: PyQt6 or PySide6. A sentence says what else is missing."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

BINDINGS = ("PyQt6", "PySide6")
OLD_BINDINGS = ("PyQt5", "PySide2")  # without what the panel is made of, and dropped by napari 0.10
# Each method of it that returns no object takes a reference to None; Python 3.12 bears that.
LOSES_NONE = "6.12.0"
PYTHON = sys.version_info[:2]
ALL_OF_IT = "pip install 'napari-cryoorient[all]'"


def window_problem() -> str | None:
    """Say in one sentence why no napari window can open in this environment, or return None."""
    if find_spec("napari") is None or find_spec("qtpy") is None:
        return f"napari is not installed here; install it with: {ALL_OF_IT}."
    wanted = os.environ.get("QT_API", "").lower()
    if wanted in map(str.lower, OLD_BINDINGS):
        return f"QT_API names {wanted}, which is not supported; set it to pyqt6 or pyside6."
    new = _installed(BINDINGS)
    if new:
        taken = next((name for name in new if name.lower() == wanted), new[0])
        return binding_problem(taken)
    old = _installed(OLD_BINDINGS)
    if old:
        return f"napari has only {old[0]} here, which is not supported; install PyQt6: {ALL_OF_IT}."
    return f"napari has no Qt to draw with here; install PyQt6 with: {ALL_OF_IT}."


def prefer_new_binding() -> None:
    """Let qtpy, which would take the oldest, take a supported one, before Qt is imported."""
    if "QT_API" not in os.environ and _installed(OLD_BINDINGS):
        os.environ["QT_API"] = _installed(BINDINGS)[0].lower()


def binding_problem(name: str) -> str | None:
    """Say in one sentence why napari's binding, as qtpy names it, will not do, or return None."""
    if name not in BINDINGS:
        return (
            f"CryoOrient does not run on {name}: install PyQt6 or PySide6 for napari and start "
            "again."
        )
    if name == "PySide6" and PYTHON < (3, 12) and _version_of(name) == LOSES_NONE:
        return (
            f"PySide6 {LOSES_NONE} ends Python {PYTHON[0]}.{PYTHON[1]} without "
            "a word (it loses references to None): install PyQt6, or PySide6 below 6.12."
        )
    return None


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _installed(bindings: tuple[str, ...]) -> list[str]:
    return [name for name in bindings if find_spec(name) is not None]
