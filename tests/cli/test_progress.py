"""Progress on a stream that is no terminal, durations, and the machine-readable line."""

import json

import numpy as np
import pytest

from napari_cryoorient.cli import progress as module
from napari_cryoorient.cli.progress import Progress, format_duration, print_json
from napari_cryoorient.cli.train import Follower
from napari_cryoorient.run.train import Progress as RunProgress
from napari_cryoorient.training.report import Metrics

METRICS = Metrics(
    step=3,
    seconds=45.0,
    w=0.8,
    loss=1.0,
    qd=0.5,
    reprojection=0.5,
    learning_rate=1e-3,
    images_per_second=100.0,
    time_left_s=9e9,
    train_rmse=1.0,
    train_relative_rmse=1.0,
    angular_error_deg=12.34,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_time_left_is_reckoned_from_the_first_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    bar = Progress("Work")
    now = 160.0  # a minute of start-up
    bar(100, 1000)
    now = 170.0
    bar(200, 1000)
    now = 171.0
    bar(210, 1000)  # too soon to be printed
    now = 200.0
    bar(1000, 1000)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Work: 100/1000", "Work: 200/1000, 1 min 20 s left", "Work: 1000/1000, done"]


def test_a_time_budget_is_shown_in_seconds_not_steps(capsys: pytest.CaptureFixture[str]) -> None:
    follow = Follower(Progress("Preparing"), budget_s=60.0)
    follow(RunProgress("training", 3, 1_000_000, 9e9, METRICS))
    line = capsys.readouterr().err.strip()
    assert line.startswith("Training (s): 45/60, 15 s left")
    assert "error 12.3\N{DEGREE SIGN}" in line


def test_json_has_plain_numbers_and_null_for_what_is_not_finite(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_json({"a": np.float64(0.5), "b": float("nan"), "c": [np.int64(2)], "d": None})
    assert json.loads(capsys.readouterr().out) == {"a": 0.5, "b": None, "c": [2], "d": None}
