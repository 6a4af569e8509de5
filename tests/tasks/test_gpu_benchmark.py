"""``benchmarks/gpu.py --tiny`` runs to the end on a CPU, so that it does where a GPU is lent."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.py"


def test_every_part_gives_its_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--tiny", "--device", "cpu"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = {line["part"]: line for line in lines}
    parts = {"machine", "paper", "paper step", "fast step", "search", "refine", "reconstruct"}
    assert parts <= set(told)
    assert told["machine"]["device"].startswith("cpu")
    assert told["fast step"]["images_per_second"] > 0
    assert told["accuracy"]["refine_median_deg"] < 20
