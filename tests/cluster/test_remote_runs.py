"""Runs that workers of a cluster train: told of, stopped, and gone on with by another worker."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from napari_cryoorient.cluster.dask_executor import DaskExecutor
from napari_cryoorient.cluster.workers import executor_of
from napari_cryoorient.config import SpreadConfig
from napari_cryoorient.studies import remote
from napari_cryoorient.studies.job import Job, TrainingCommand
from napari_cryoorient.studies.remote import RemoteRun
from napari_cryoorient.studies.workers import ProcessEnd, Stopper, Worker, run_jobs
from support.command_line import TINY
from support.stand_in_trainer import stand_in

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def executor(workers: str) -> Iterator[DaskExecutor]:
    with executor_of(SpreadConfig(scheduler=workers), lambda sentence: None) as found:
        yield found


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    training = TrainingCommand(tmp_path / "a.star", tmp_path / "a.mrc", {"preset": "paper"})
    (tmp_path / "runs").mkdir()
    return [training.job(f"run{i}", tmp_path / "runs", {}, w=i / 10) for i in range(3)]


def carried_out(jobs: list[Job], executor: DaskExecutor, **more: object) -> list[ProcessEnd]:
    ended: list[ProcessEnd] = []
    places = [Worker(f"worker {i}") for i in range(executor.n_places)]
    more = {"stopper": Stopper(), **more}

    def start(job: Job, _worker: Worker) -> RemoteRun:
        return RemoteRun(job, executor, stand_in)

    run_jobs(jobs, places, ended=ended.append, start=start, **more)  # type: ignore[arg-type]
    return ended


def state_of(job: Job) -> str:
    return str(json.loads((job.folder / "run.json").read_text())["state"])


def test_all_are_trained_and_one_that_fails_is_told_of(jobs: list[Job], executor: DaskExecutor):
    (jobs[0].folder.parent / "TRAINER_FAILS").write_text("run1")
    assert executor.n_places == 2
    ended = {end.job.name: end for end in carried_out(jobs, executor)}
    assert {name: end.status for name, end in ended.items()} == {"run0": 0, "run1": 1, "run2": 0}
    assert "loss became nan" in ended["run1"].last_words
    assert [state_of(job) for job in jobs] == ["finished", "failed", "finished"]


def test_stopping_lets_runs_save(jobs: list[Job], executor: DaskExecutor):
    (jobs[0].folder.parent / "TRAINER_SECONDS").write_text("60")
    stopper = Stopper()

    def watch() -> None:
        if all((job.folder / "arguments.txt").is_file() for job in jobs[:2]):
            stopper.ask()

    carried_out(jobs, executor, stopper=stopper, watch=watch)
    deadline = time.monotonic() + 10
    while "running" in map(state_of, jobs[:2]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [state_of(job) for job in jobs[:2]] == ["stopped", "stopped"]
    assert not jobs[2].folder.exists()


def test_a_run_goes_on_elsewhere_where_its_worker_is_killed(
    jobs: list[Job], executor: DaskExecutor, kill_a_worker: Callable[[], None]
):
    job, killed = jobs[0], []
    seconds = job.folder.parent / "TRAINER_SECONDS"
    seconds.write_text("60")

    def watch() -> None:
        if (job.folder / "arguments.txt").is_file() and not killed:
            killed.append(seconds.write_text("0.05"))
            kill_a_worker()

    (end,) = carried_out([job], executor, watch=watch)
    assert end.status == 0
    assert state_of(job) == "finished"
    first, second = (job.folder / "arguments.txt").read_text().splitlines()
    assert "--resume" not in first
    assert second == f"{first} --resume"


def test_a_study_has_its_runs_trained_there(
    run: Run, stack: Path, workers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remote, "RemoteRun", partial(RemoteRun, command=stand_in))
    given = ["sweep", stack / "particles.star", "--map", stack / "map.mrc", "-o", tmp_path / "s"]
    given += ["--w-values", "0.2,0.7", "--scheduler", workers]
    status, said, err = run(*given)
    assert status == 0, err
    assert "Best w: 0.7" in said
    assert "2 workers of the Dask cluster" in err
    status, _, err = run(*given, "--jobs", 2)
    assert status == 2
    assert "--jobs is for runs side by side without Dask" in err


def test_rounds_are_done_there(run: Run, stack: Path, workers: str, tmp_path: Path):
    out = tmp_path / "rounds"
    given = ["iterate", stack / "particles.star", "--map", stack / "map.mrc", "-o", out]
    given += ["--rounds", 1, "--subset", 64, "--steps", 2, "--batch-size", 8, "--box", 32]
    status, said, err = run(*given, "--device", "cpu", "--scheduler", workers)
    assert status == 0, err
    assert "Best: round 1" in said
    assert err.count("workers of the Dask cluster") == 1  # found once for all
    assert (out / "round_01" / "run" / "terminal.txt").is_file()  # trained beside a worker
    assert not list(out.rglob("*.parts"))
    for name in ("poses.star", "map.mrc", "map_half1.mrc"):
        assert (out / name).is_file()


def test_train_follows_a_run_elsewhere(run: Run, stack: Path, workers: str, tmp_path: Path):
    out = tmp_path / "run"
    given = ["train", stack / "particles.star", "--map", stack / "map.mrc", "-o", out, *TINY]
    status, said, err = run(*given, "--steps", 2, "--scheduler", workers, "--json")
    assert status == 0, err
    assert json.loads(said.splitlines()[-1])["state"] == "finished"
    assert (out / "poses.star").is_file()
    status, _, err = run(*given, "--steps", 2, "--scheduler", workers)
    assert status == 2
    assert "already holds a run" in err
    given[given.index(out)] = tmp_path / "other"
    status, _, err = run(*given, "--steps", 2, "--symmetry", "Q7", "--scheduler", workers)
    assert status == 2
    assert "Q7" in err.splitlines()[-1]
