"""Every benchmark can be loaded, and those with flags say what they are for."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py"))
# Loaded by others, or a program that only times other programs.
WITHOUT_FLAGS = {"network_shown.py", "start_up.py"}


@pytest.fixture
def as_programs(monkeypatch: pytest.MonkeyPatch):
    """Let benchmarks find each other, and forget them afterwards: their names are short."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    before = set(sys.modules)
    yield
    for name, module in list(sys.modules.items()):
        if name not in before and str(FOLDER) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("script", sorted(set(SCRIPTS) - WITHOUT_FLAGS))
def test_it_says_what_it_is_for(
    script: str,
    as_programs: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FOLDER / script), run_name="__main__")
    assert not ended.value.code
    assert f"usage: {script}" in capsys.readouterr().out


@pytest.mark.parametrize("script", sorted(WITHOUT_FLAGS))
def test_it_can_be_loaded(script: str, as_programs: None) -> None:
    runpy.run_path(str(FOLDER / script))


def test_none_is_left_out() -> None:
    assert set(SCRIPTS) > WITHOUT_FLAGS
    assert len(SCRIPTS) > 30
