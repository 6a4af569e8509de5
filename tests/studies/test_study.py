"""A study: its folder, its table, what it keeps and what it refuses."""

from __future__ import annotations

import csv
import json
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.studies.cross_validation import cross_validation_study, summary_of
from napari_cryoorient.studies.job import TrainingCommand
from napari_cryoorient.studies.progress import RunForecast
from napari_cryoorient.studies.representation import representation_study
from napari_cryoorient.studies.study import Study, StudyResult, run_study
from napari_cryoorient.studies.sweep import sweep_study
from napari_cryoorient.studies.workers import Stopper, Worker
from support.stand_in_trainer import stand_in

CPU = [Worker("CPU")]


def carry_out(study: Study, **options: Any) -> StudyResult:
    return run_study(study, CPU, command=stand_in, **options)


def table(study: Study, name: str = "table.csv") -> list[dict[str, str]]:
    with (study.folder / name).open() as file:
        return list(csv.DictReader(file))


def goes(study: Study, name: str) -> list[str]:
    """Return the command lines a run was trained with."""
    return (study.folder / "runs" / name / "arguments.txt").read_text().splitlines()


def test_a_sweep_names_the_best_w_and_leaves_table_and_pictures(
    training: TrainingCommand, tmp_path: Path
) -> None:
    study = sweep_study(tmp_path / "s", training, [0.5, 0.7, 0.9])
    result = carry_out(study)
    assert result.facts["best"]["w"] == 0.7
    assert result.facts["best"]["test_relative_rmse"] == pytest.approx(0.1)
    assert [float(row["w"]) for row in table(study)] == [0.5, 0.7, 0.9]
    for name in ("rmse.png", "curves.png", "best.png"):
        assert (study.folder / name).read_bytes().startswith(b"\x89PNG")
    record = json.loads((study.folder / "study.json").read_text())
    assert record["state"] == "finished"
    assert [run["folder"] for run in record["runs"]] == ["runs/w0.50", "runs/w0.70", "runs/w0.90"]
    assert "--preset paper --steps 4 --w 0.5" in goes(study, "w0.50")[0]


def test_finished_runs_stay_and_stopped_ones_go_on(
    training: TrainingCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = sweep_study(tmp_path / "s", training, [0.5, 0.7])
    monkeypatch.setenv("TRAINER_SECONDS", "1.6")
    stopper = Stopper()

    def stop_in_the_second(done: float, total: float, **_: object) -> None:
        if done > 1.1:
            stopper.ask()

    with pytest.raises(KeyboardInterrupt):
        carry_out(study, stopper=stopper, reporter=Reporter(progress=stop_in_the_second))
    assert json.loads((study.folder / "study.json").read_text())["state"] == "stopped"
    assert [row["state"] for row in table(study)] == ["finished", "waiting"]
    monkeypatch.setenv("TRAINER_SECONDS", "0.05")
    result = carry_out(study)
    assert result.is_complete
    assert [row["state"] for row in table(study)] == ["finished", "finished"]
    assert len(goes(study, "w0.50")) == 1
    assert ["--resume" in line for line in goes(study, "w0.70")] == [False, True]


def test_more_values_of_w_join_a_study(training: TrainingCommand, tmp_path: Path) -> None:
    carry_out(sweep_study(tmp_path / "s", training, [0.5]))
    wider = sweep_study(tmp_path / "s", training, [0.5, 0.6])
    carry_out(wider)
    assert len(table(wider)) == 2
    assert len(goes(wider, "w0.50")) == 1


def test_changed_settings_are_refused_and_named(training: TrainingCommand, tmp_path: Path) -> None:
    carry_out(sweep_study(tmp_path / "s", training, [0.5]))
    before = (tmp_path / "s" / "study.json").read_text()
    longer = replace(training, settings={**training.settings, "steps": 5})
    with pytest.raises(InputError, match="steps 4, now 5"):
        carry_out(sweep_study(tmp_path / "s", longer, [0.5]))
    with pytest.raises(InputError, match="holds a sweep over w"):
        carry_out(cross_validation_study(tmp_path / "s", training, [0.5], 5))
    training.star.write_text("data_particles\nother\n")
    with pytest.raises(InputError, match="star_bytes"):
        carry_out(sweep_study(tmp_path / "s", training, [0.5]))
    assert (tmp_path / "s" / "study.json").read_text() == before


def test_where_to_compute_may_change(training: TrainingCommand, tmp_path: Path) -> None:
    carry_out(sweep_study(tmp_path / "s", training, [0.5]))
    elsewhere = replace(training, settings={**training.settings, "device": "cuda"})
    assert carry_out(sweep_study(tmp_path / "s", elsewhere, [0.5])).is_complete


def test_a_study_that_another_process_is_at_is_refused(
    training: TrainingCommand, tmp_path: Path
) -> None:
    study = sweep_study(tmp_path / "s", training, [0.5])
    carry_out(study)
    path = study.folder / "study.json"
    record = json.loads(path.read_text())
    record |= {"state": "running", "pid": os.getppid(), "host": socket.gethostname()}
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=f"pid {os.getppid()}"):
        carry_out(study)


def test_a_folder_with_runs_of_its_own_is_refused(
    training: TrainingCommand, tmp_path: Path
) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "run.json").write_text("{}")
    with pytest.raises(InputError, match="holds runs, but no study"):
        carry_out(sweep_study(tmp_path / "s", training, [0.5]))


def test_a_failed_run_is_named_and_the_best_of_the_others_found(
    training: TrainingCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_FAILS", "w0.70")
    study = sweep_study(tmp_path / "s", training, [0.5, 0.7, 0.8])
    result = carry_out(study)
    assert result.failed == {"w0.70": "The loss became nan at step 3."}
    assert result.facts["best"]["w"] == 0.8
    assert [row["state"] for row in table(study)] == ["finished", "failed", "finished"]
    assert json.loads((study.folder / "study.json").read_text())["state"] == "failed"


def test_what_no_run_can_do_ends_the_study_at_the_first(
    training: TrainingCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_FAILS", "w0.50")
    monkeypatch.setenv("TRAINER_STATUS", "2")
    study = sweep_study(tmp_path / "s", training, [0.5, 0.7])
    with pytest.raises(InputError, match="loss became nan"):
        carry_out(study)
    assert not (study.folder / "runs" / "w0.70").exists()


def test_the_estimate_comes_from_the_first_run_and_can_be_all(
    training: TrainingCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_SECONDS", "4.0")
    study = sweep_study(tmp_path / "s", training, [i / 10 for i in range(11)])
    said: list[str] = []
    result = carry_out(study, only_estimate=True, reporter=Reporter(say=said.append))
    assert not result.is_complete
    assert result.estimate is not None
    assert said == [result.estimate.sentence()]
    assert result.estimate.n_runs == 11
    assert result.estimate.run_s == pytest.approx(
        4.0, abs=0.8
    )  # and how long its process takes to start
    assert result.estimate.left_s == pytest.approx(11 * result.estimate.run_s - 1.0, abs=1.5)
    assert [row["state"] for row in table(study)][1:] == ["waiting"] * 10


def test_the_forecast_goes_by_the_mean_pace_not_by_the_moments(
    training: TrainingCommand, tmp_path: Path
) -> None:
    job = training.job("run", tmp_path / "runs", {})
    job.folder.mkdir(parents=True)
    record = {"state": "running", "config": {"steps": 100}, "inputs": {"n_particles": 600}}
    (job.folder / "run.json").write_text(json.dumps(record))
    now = [50.0]
    forecast = RunForecast(job, clock=lambda: now[0])
    assert forecast.whole_s() is None
    # 20 steps in 10 s, the last of them in a moment when the machine was idle.
    line = {"step": 20, "seconds": 10.0, "time_left_s": 1.0, "images_per_second": 100.0}
    (job.folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    now[0] = 63.0  # so that 3 s went by before the first step
    forecast.look()
    assert forecast.whole_s() == pytest.approx(3.0 + 50.0 + 600 / 100 / 3)
    assert forecast.left_s() == pytest.approx(40.0 + 2.0)
    assert forecast.part_done == pytest.approx(0.95 * 0.2)


def test_cross_validation_tests_every_part_and_pools_them(
    training: TrainingCommand, tmp_path: Path
) -> None:
    study = cross_validation_study(tmp_path / "c", training, [0.6, 0.7], 3)
    result = carry_out(study)
    assert "--n-folds 3 --fold 2" in goes(study, "w0.60-fold2")[0]
    assert [(float(r["w"]), int(r["fold"])) for r in table(study)] == [
        (w, fold) for w in (0.6, 0.7) for fold in (1, 2, 3)
    ]
    assert result.facts["best"]["w"] == 0.7
    lines = table(study, "summary.csv")
    assert [int(line["n_tested"]) for line in lines] == [24, 24]
    assert (study.folder / "curves-w0.60.png").is_file()


def test_mean_spread_and_pooled_rmse_over_folds() -> None:
    def row(fold: int, rmse: float, n: int) -> dict[str, Any]:
        figures = {"test_rmse": rmse, "test_relative_rmse": rmse / 10, "angular_error_deg": 5.0}
        return {"name": str(fold), "w": 0.5, "fold": fold, "state": "finished", "n_test": n} | (
            figures
        )

    (line,) = summary_of([row(1, 1.0, 1), row(2, 3.0, 3), row(3, 2.0, 1) | {"state": "failed"}])
    assert line["n_folds"] == 2
    assert line["test_rmse_mean"] == pytest.approx(2.0)
    assert line["test_rmse_sd"] == pytest.approx(2.0**0.5)
    assert line["pooled_rmse"] == pytest.approx((28 / 4) ** 0.5)  # (1 * 1 + 3 * 9) / 4


def test_a_representation_study_tries_every_pairing(
    training: TrainingCommand, tmp_path: Path
) -> None:
    study = representation_study(
        tmp_path / "r", training, ["quaternion", "axis-angle"], [1e-4, 5e-5], [0.8]
    )
    result = carry_out(study)
    rows = {(r["representation"], float(r["learning_rate"])) for r in table(study)}
    assert rows == {(n, r) for n in ("quaternion", "axis-angle") for r in (1e-4, 5e-5)}
    assert (
        "--representation axis-angle --learning-rate 5e-05"
        in goes(study, "w0.80-axis-angle-lr5e-05")[0]
    )
    assert set(result.facts["best_of_each"]) == {"quaternion", "axis-angle"}
    assert (study.folder / "rmse.png").is_file()
