"""What belongs to one stack or map goes with it: settings, predictions, work under way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.runs.record import RunRecord
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.countdown import Countdown
from napari_cryoorient.session.follow import Follower, RunView
from napari_cryoorient.session.inspection import Predictions
from napari_cryoorient.session.process_job import JobView
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.training_status import standing
from napari_cryoorient.session.words import counted, on_screen

from .conftest import AtOnce, Stack, Told


@pytest.fixture
def controller(made: Stack) -> Controller:
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(made.star, made.map)
    return controller


@pytest.fixture
def other(made: Stack, tmp_path: Path) -> Stack:
    """The same images and map under other names."""
    for path in (made.star, made.star.with_suffix(".mrcs"), made.map):
        shutil.copy(path, tmp_path / path.name)
    return Stack(tmp_path / made.star.name, tmp_path / made.map.name)


@pytest.mark.parametrize("which", ["stack", "map"])
def test_settings_of_one_data_set_are_not_carried_to_the_next(
    controller: Controller, made: Stack, other: Stack, which: str
):
    session = controller.session
    session.change_settings(symmetry="D7", w=0.3, labels="search", preset="paper", steps=70)
    session.set_advice("D7 was found.")
    if which == "stack":
        controller.load(other.star, made.map)
    else:
        controller.load(made.star, other.map)
    settings, usual = session.settings, TrainConfig()
    assert (settings.symmetry, settings.w, settings.labels) == ("C1", usual.w, usual.labels)
    assert (settings.preset, settings.steps) == ("paper", 70)  # the user's own ways
    assert which in session.advice
    assert "D7" not in session.advice


def test_a_map_that_joins_its_stack_changes_no_setting(made: Stack):
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(None, made.map)
    controller.session.change_settings(symmetry="D2", w=0.4)
    controller.load(made.star, made.map)
    assert (controller.session.settings.symmetry, controller.session.settings.w) == ("D2", 0.4)


def test_a_preview_is_not_shown_over_another_stack(
    controller: Controller, made: Stack, other: Stack, tmp_path: Path
):
    session = controller.session
    images = np.zeros((3, 8, 8))
    poses = {"rotations": np.tile(np.eye(3), (3, 1, 1)), "shifts_angstrom": np.zeros((3, 2))}
    preview = {
        "input": images,
        "true_projection": images,
        "predicted_projection": images,
        "rows": np.array([4, 5, 6]),
        "angular_error_deg": np.zeros(3),
        **{
            f"{kind}_{name}": value
            for kind in ("true", "predicted")
            for name, value in poses.items()
        },
    }
    record = {"inputs": {"star": str(made.star), "map": str(made.map)}}
    session.set_run(
        RunView(tmp_path / "run", "running", record=RunRecord.of(record), preview=preview)
    )
    assert session.inspection.kind == "preview"
    session.adopt_settings(w=0.4)
    controller.load(other.star, other.map)
    assert session.inspection.kind == "poses"
    assert len(session.inspection) == len(session.data.particles)
    assert session.settings.w == 0.4  # that of the run, for as long as it goes on
    session.set_run(
        RunView(tmp_path / "run", "stopped", record=RunRecord.of(record), preview=preview)
    )
    assert session.settings.w == TrainConfig().w


def test_labels_of_a_search_are_not_called_true(
    controller: Controller, made: Stack, tmp_path: Path
):
    images, poses = np.zeros((1, 8, 8)), np.eye(3)[None]
    preview = {name: images for name in ("input", "true_projection", "predicted_projection")}
    for kind in ("true", "predicted"):
        preview |= {f"{kind}_rotations": poses, f"{kind}_shifts_angstrom": np.zeros((1, 2))}
    preview |= {"rows": np.array([4]), "angular_error_deg": np.zeros(1)}
    record = {"config": {"labels": "search"}, "inputs": {"star": str(made.star)}}
    controller.session.set_run(
        RunView(tmp_path, "running", record=RunRecord.of(record), preview=preview)
    )
    titles = [picture.title for picture in controller.session.inspection.pictures]
    assert titles == ["input", "label pose", "predicted pose"]


def test_a_job_of_another_stack_is_not_taken_for_this_one_s(
    controller: Controller, made: Stack, other: Stack, monkeypatch, tmp_path: Path
):
    started = []

    def start(title, arguments, folder, take):
        started.append(take)

    monkeypatch.setattr(controller.pose_jobs, "start_command", start)
    controller.pose_jobs.search()
    controller.load(other.star, other.map)
    (take,) = started
    folder = tmp_path / "search-001"
    folder.mkdir()
    shutil.copy(made.star, folder / "poses.star")
    take(JobView("Searching", folder, "finished"))
    assert controller.session.predictions is None
    assert "no longer loaded" in controller._notify.infos[-1]
    controller.load(made.star, made.map)
    take(JobView("Searching", folder, "finished"))
    assert controller.session.predictions is not None


def test_poses_are_refined_of_the_run_s_own_stack(
    controller: Controller, made: Stack, other: Stack, monkeypatch, tmp_path: Path
):
    started = []
    monkeypatch.setattr(
        controller.pose_jobs,
        "start_command",
        lambda title, arguments, folder, take: started.append(arguments),
    )
    (tmp_path / "checkpoint.pt").touch()
    record = {"inputs": {"star": str(made.star), "map": str(made.map)}}
    session = controller.session
    controller.load(other.star, other.map)
    session.set_run(RunView(tmp_path, "finished", record=RunRecord.of(record)))
    controller.pose_jobs.predict(refines=True)
    assert str(made.star) in started[0]
    assert started[0][started[0].index("--map") + 1] == str(made.map)


def test_predictions_go_with_their_map(controller: Controller, made: Stack, other: Stack):
    session = controller.session
    poses = session.data.particles.poses
    session.set_predictions(Predictions(Path("p"), poses, None, None, None))
    density = read_map(made.map)
    write_map(density, other.map)
    controller.load(made.star, other.map)
    assert session.predictions is None


def test_a_run_folder_that_goes_away_is_one_sentence_and_no_resume(
    controller: Controller, tmp_path: Path
):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"state": "running", "phase": "training"}))
    follower = Follower(folder)
    assert follower.look() is not None
    shutil.rmtree(folder)
    view = follower.look()
    assert view is not None
    assert view.is_over
    assert "moved or deleted" in standing(view).headline
    controller.session.set_run(view)
    controller.resume()
    assert controller._notify.warnings == [f"The run folder was moved or deleted: {folder}"]


def test_time_left_counts_down_and_grows_with_a_reason_only():
    countdown = Countdown()
    assert countdown.update(10.0, 100.0) == 100.0
    assert countdown.update(20.0, 95.0) == 90.0  # an estimate that wavers
    assert not countdown.is_slower
    assert countdown.update(30.0, 200.0) == 200.0
    assert countdown.is_slower
    assert countdown.update(40.0, 150.0) == 150.0
    assert not countdown.is_slower


def test_sentences_in_the_window_s_words():
    said = on_screen("check both (--pixel-size gives the map's): 2.2 A a voxel, 14 A.")
    assert "--" not in said
    assert "2.2 Å a voxel, 14 Å." in said
    assert on_screen("A map") == "A map"
    assert (counted(1, "image"), counted(2000, "image")) == ("1 image", "2,000 images")
