"""Runs beside each other: found in folders, followed while they go on, exported as they are."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.session.comparison import (
    Comparison,
    export_metrics,
    follow_together,
    runs_in,
)
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.follow import Follower, RunView
from napari_cryoorient.session.session import Session

from .conftest import AtOnce, Told


def write_run(folder: Path, w: float, n_lines: int = 6, state: str = "finished") -> Path:
    """Write a run folder as the training process does, of so many reports."""
    folder.mkdir(parents=True)
    lines = [
        {"step": 10 * i, "w": w, "loss": 1.0 / i, "angular_error_deg": 40.0 / i, "n_test": 5}
        | {"test_relative_rmse": 0.9 / i}
        for i in range(1, n_lines + 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "run.json").write_text(json.dumps({"state": state, "phase": "over"}))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [write_run(tmp_path / "runs" / f"w{w:.2f}", w) for w in (0.1, 0.4, 0.8)]


def view(path: Path) -> RunView:
    found = Follower(path).look()
    assert found is not None
    return found


def test_runs_are_found_in_a_folder_and_in_that_of_a_study(runs: list[Path]) -> None:
    folder = runs[0].parent
    (folder / "notes").mkdir()
    assert runs_in(folder) == runs
    assert runs_in(folder.parent) == runs
    assert runs_in(runs[1]) == [runs[1]]
    with pytest.raises(InputError, match="holds no run"):
        runs_in(folder / "notes")


def test_a_run_that_goes_on_is_followed_to_its_end(runs: list[Path], tmp_path: Path) -> None:
    going = write_run(tmp_path / "going", 0.5, 1, state="stopped")
    record = json.loads((going / "run.json").read_text())
    (going / "run.json").write_text(json.dumps(record | {"state": "running", "heartbeat": 9e12}))
    looks = follow_together([runs[0], going], interval_s=0.0)
    first = next(looks)
    assert first is not None
    assert [len(run.metrics) for run in first] == [6, 1]
    with (going / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 20, "w": 0.5}) + "\n")
    assert [len(run.metrics) for run in next(looks) or ()] == [6, 2]
    (going / "run.json").write_text(json.dumps(record))
    assert (next(looks) or ())[1].state == "stopped"
    assert list(looks) == []


def test_added_runs_stand_beside_the_one_that_is_followed(runs: list[Path]) -> None:
    session, told = Session(), Told()
    comparison = Comparison(session, AtOnce(), told)
    session.set_run(view(runs[1]))
    comparison.add_neighbours()
    assert [run.path for run in session.shown_runs()] == [runs[0], runs[2], runs[1]]
    comparison.add(runs[0])  # again: nothing changes
    assert len(session.compared) == 3
    comparison.clear()
    assert [run.path for run in session.shown_runs()] == [runs[1]]
    comparison.add(runs[0].parent.parent / "nothing")
    assert len(told.errors) == 1


def test_opening_a_run_keeps_the_curves_of_the_one_before(runs: list[Path]) -> None:
    jobs = AtOnce()
    controller = Controller(Session(), jobs, Told())
    controller.open_run(runs[0])
    jobs.look_until(lambda: controller.session.run is not None)
    controller.open_beside(runs[2])
    jobs.look_until(lambda: controller.session.run is not None)
    assert [run.path for run in controller.session.shown_runs()] == [runs[0], runs[2]]


def test_a_table_holds_every_report_of_every_run(runs: list[Path], tmp_path: Path) -> None:
    out = export_metrics([view(path) for path in runs], tmp_path / "all.csv")
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert {Path(row["run"]).name for row in rows} == {"w0.10", "w0.40", "w0.80"}
    assert float(rows[-1]["angular_error_deg"]) == pytest.approx(40 / 6)


def test_jsonl_is_the_run_s_own_to_the_letter_and_of_one_run(
    runs: list[Path], tmp_path: Path
) -> None:
    out = export_metrics([view(runs[0])], tmp_path / "copy.jsonl")
    assert out.read_bytes() == (runs[0] / "metrics.jsonl").read_bytes()
    with pytest.raises(InputError, match="2 runs"):
        export_metrics([view(runs[0]), view(runs[1])], tmp_path / "two.jsonl")
    with pytest.raises(InputError, match="own file"):
        export_metrics([view(runs[0])], runs[0] / "metrics.jsonl")
    with pytest.raises(InputError, match=r"\.csv"):
        export_metrics([view(runs[0])], tmp_path / "metrics.xlsx")


def test_a_vector_picture_has_its_words_as_words(runs: list[Path], tmp_path: Path) -> None:
    out = export_metrics([view(path) for path in runs], tmp_path / "curves.svg")
    words = {element.text for element in ElementTree.parse(out).iter() if element.text}
    assert {"Steps", "Angular error (°)", "w0.10, w 0.10", "w0.80, w 0.80"} <= words
    png = export_metrics([view(runs[0])], tmp_path / "curves.png")
    assert png.read_bytes().startswith(b"\x89PNG")
