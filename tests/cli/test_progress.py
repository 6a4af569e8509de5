"""Progress on a stream that is no terminal, durations, and the machine-readable line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.cli import progress as module
from napari_cryoorient.cli.progress import Progress, format_duration, print_json
from napari_cryoorient.environment import STATUS_VARIABLE
from napari_cryoorient.tasks.training_progress import ProgressReporter, RunProgress
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
    follow = ProgressReporter(Progress("Preparing").reporter, budget_s=60.0)
    follow(RunProgress("training", 3, 1_000_000, 9e9, METRICS))
    line = capsys.readouterr().err.strip()
    assert line.startswith("Training (s): 45/60, 15 s left")
    assert "error 12.3\N{DEGREE SIGN}" in line


def test_json_has_plain_numbers_and_null_for_what_is_not_finite(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_json({"a": np.float64(0.5), "b": float("nan"), "c": [np.int64(2)], "d": None})
    assert json.loads(capsys.readouterr().out) == {"a": 0.5, "b": None, "c": [2], "d": None}


def test_whoever_names_a_file_reads_in_it_how_far_the_work_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "status.json"
    monkeypatch.setenv(STATUS_VARIABLE, str(path))
    monkeypatch.setattr(module, "SECONDS_BETWEEN_STATUS", 0.0)

    def told() -> dict[str, object]:
        found: dict[str, object] = json.loads(path.read_text())
        return found

    with module.progress("Searching") as advance:
        assert STATUS_VARIABLE not in os.environ  # a command started by this one does not write it
        assert (told()["title"], told()["total"]) == ("Searching", None)
        advance.say("Stack: SNR 0.1.")
        advance(10, 40, time_left_s=9.0)
        now = told()
        assert (now["done"], now["total"], now["left_s"]) == (10, 40, 9.0)
        assert now["said"] == ["Stack: SNR 0.1."]
        advance.restart("Refining")
        assert (told()["title"], told()["total"]) == ("Refining", None)
        advance(40, 40)
        assert told()["done"] == 40


def test_a_status_that_cannot_be_written_does_not_end_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATUS_VARIABLE, str(tmp_path / "gone" / "status.json"))
    with module.progress("Searching") as advance:
        advance(1, 1)
