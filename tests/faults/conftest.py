"""Inputs that were misread once, as copies that a test may write beside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def case(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Go into a copy of a case's folder; the function returned takes its name."""

    def enter(name: str) -> Path:
        source = shared_data / "faults" / name
        if not source.is_dir():
            pytest.skip(f"no case {name} in {source.parent}")
        folder = tmp_path / name
        shutil.copytree(source, folder)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        monkeypatch.chdir(folder)
        return folder

    return enter
