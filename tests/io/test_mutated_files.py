"""A small part of ``benchmarks/mutated_files.py``: damaged files end in a result or a sentence."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "mutated_files.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("mutated_files", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.skipif(sys.platform == "win32", reason="the time is limited by a signal")
@pytest.mark.parametrize("kind", ["star", "cs", "stack", "map"])
def test_damaged_files_are_read_or_refused(script, tmp_path, kind):
    sources = script.made_files(tmp_path)[kind]
    ends, _ = script.run(kind, sources, 100, seed=11)
    assert set(ends) == {"read", "refused"}
    assert ends["refused"] > 20


def test_an_end_of_another_sort_is_told_and_kept(script, tmp_path, monkeypatch):
    sources = script.made_files(tmp_path)["map"]

    def broken(path):
        raise IndexError("as if")

    monkeypatch.setitem(script.READERS, "map", broken)
    ends, _ = script.run("map", sources, 3, seed=0, keep=tmp_path / "kept")
    assert ends == {"IndexError: as if": 3}
    assert len(list((tmp_path / "kept").iterdir())) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="the time is limited by a signal")
@pytest.mark.parametrize("waits", [False, True])
def test_what_never_ends_is_told_whether_it_works_or_waits(script, tmp_path, monkeypatch, waits):
    monkeypatch.setattr(script, "MOST_SECONDS", 0.2)
    monkeypatch.setattr(script, "MOST_SECONDS_WAITING", 1 if waits else 100)

    def endless(path):
        while True:
            time.sleep(10 if waits else 0)

    monkeypatch.setitem(script.READERS, "map", endless)
    ends, _ = script.run("map", script.made_files(tmp_path)["map"], 1, seed=0)
    assert ends == {"hang": 1}
