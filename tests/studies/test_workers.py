"""Runs are dealt out to devices, and one that fails or is stopped harms no other."""

from __future__ import annotations

import json
import os
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from napari_cryoorient.studies.job import Job, TrainingCommand
from napari_cryoorient.studies.workers import (
    ProcessEnd,
    Stopper,
    Worker,
    run_jobs,
    visible_gpus,
    workers_for,
)
from support.stand_in_trainer import stand_in


def jobs_of(training: TrainingCommand, folder: Path, n: int) -> list[Job]:
    return [training.job(f"run{i}", folder / "runs", {}, w=i / 10) for i in range(n)]


def test_jobs_are_dealt_out_with_at_most_one_on_a_device(
    training: TrainingCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_SECONDS", "0.3")
    jobs = jobs_of(training, tmp_path, 5)
    workers = workers_for("auto", None, ["0", "GPU-7f"])
    ended: list[ProcessEnd] = []
    run_jobs(jobs, workers, stopper=Stopper(), ended=ended.append, command=stand_in)
    assert sorted(e.job.name for e in ended) == [job.name for job in jobs]
    assert all(e.status == 0 for e in ended)
    worked = [json.loads((job.folder / "worked.json").read_text()) for job in jobs]
    assert {w["gpu"] for w in worked} == {"0", "GPU-7f"}
    for gpu in ("0", "GPU-7f"):
        spans = sorted((w["from"], w["to"]) for w in worked if w["gpu"] == gpu)
        assert len(spans) >= 2
        for (_, end), (begin, _) in pairwise(spans):
            assert end <= begin
    first, second = sorted((w["from"], w["to"]) for w in worked)[:2]
    assert second[0] < first[1]  # side by side


def test_a_run_that_fails_is_told_of_and_the_others_go_on(
    training: TrainingCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_FAILS", "run1")
    jobs = jobs_of(training, tmp_path, 3)
    ended: list[ProcessEnd] = []
    run_jobs(jobs, [Worker("CPU")], stopper=Stopper(), ended=ended.append, command=stand_in)
    assert [e.status for e in ended] == [0, 1, 0]
    assert "loss became nan" in ended[1].last_words


def test_stopping_lets_runs_save_within_a_second(
    training: TrainingCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_SECONDS", "60")
    jobs, stopper = jobs_of(training, tmp_path, 3), Stopper()
    asked: list[float] = []

    def watch() -> None:
        if all((job.folder / "arguments.txt").is_file() for job in jobs[:2]):
            asked.append(time.monotonic())
            stopper.ask()

    run_jobs(jobs, workers_for("cpu", 2, []), stopper=stopper, watch=watch, command=stand_in)
    assert time.monotonic() - asked[0] < 1.0
    states = [json.loads((job.folder / "run.json").read_text())["state"] for job in jobs[:2]]
    assert states == ["stopped", "stopped"]
    assert not jobs[2].folder.exists()


def test_gpus_are_those_that_the_environment_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = subprocess.CompletedProcess([], 0, stdout="2\n")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: counted)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-5")
    assert visible_gpus("auto") == ["3", "GPU-5"]
    assert visible_gpus("cpu") == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus("cuda") == ["0", "1"]


def test_jobs_limits_gpus_and_shares_out_the_threads_of_a_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [w.name for w in workers_for("auto", 1, ["0", "1"])] == ["GPU 0"]
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    shared = workers_for("auto", 4, ["0", "1"])
    assert [w.environment["CUDA_VISIBLE_DEVICES"] for w in shared] == ["0", "1", "0", "1"]
    assert len({w.name for w in shared}) == 4
    if "OMP_NUM_THREADS" not in os.environ:
        assert {w.environment["OMP_NUM_THREADS"] for w in shared} == {"2"}
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    workers = workers_for("cpu", 2, [])
    assert [w.environment["OMP_NUM_THREADS"] for w in workers] == ["4", "4"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "OMP_NUM_THREADS" not in workers_for("cpu", 2, [])[0].environment
