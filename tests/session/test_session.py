"""The session tells of each change once, and what there is to see follows from what it holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import Poses
from napari_cryoorient.runs.record import RunRecord
from napari_cryoorient.session.criteria import figure_of
from napari_cryoorient.session.data import load_data
from napari_cryoorient.session.follow import Follower, RunView
from napari_cryoorient.session.inspection import Predictions
from napari_cryoorient.session.readout import readout
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.training_status import standing

from .conftest import N, Stack


@pytest.fixture
def session(made: Stack) -> Session:
    session = Session()
    session.set_data(load_data(made.star, made.map))
    return session


def predictions(errors: np.ndarray, session: Session) -> Predictions:
    particles = session.data.particles
    assert particles is not None
    assert particles.poses is not None
    return Predictions(Path("poses.star"), particles.poses, 100 - errors, errors, errors / 10)


def preview(n: int = 3) -> dict[str, np.ndarray]:
    names = ("input", "true_projection", "predicted_projection")
    rotations, shifts = np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2))
    return {name: np.zeros((n, 8, 8), np.float32) for name in names} | {
        "rows": np.arange(n),
        "true_rotations": rotations,
        "predicted_rotations": rotations,
        "true_shifts_angstrom": shifts,
        "predicted_shifts_angstrom": shifts + np.array([3.0, 4.0]),
        "angular_error_deg": np.arange(n, dtype=float),
    }


def test_a_star_with_poses_and_a_map_is_an_inspection_at_once(session: Session) -> None:
    inspection = session.inspection
    assert inspection.kind == "poses"
    assert [one.role for one in inspection.pictures] == ["input", "true"]
    assert len(inspection) == N


def test_a_preview_comes_before_the_stack_and_predictions_before_the_preview(
    session: Session,
) -> None:
    record = {"inputs": {"box": 32, "working_box": 8, "pixel_size_angstrom": 8.0}}
    session.set_run(RunView(Path("run"), "running", record=RunRecord.of(record), preview=preview()))
    assert session.inspection.kind == "preview"
    assert session.inspection.pictures[0].images.pixel_size_angstrom == 32.0
    np.testing.assert_allclose(session.inspection.shift_errors_angstrom, 5.0)
    session.set_predictions(predictions(np.arange(N, dtype=float), session))
    assert session.inspection.kind == "predictions"
    assert [one.role for one in session.inspection.pictures] == ["input", "true", "predicted"]


def test_setting_the_same_thing_again_is_silent(session: Session) -> None:
    heard: list[object] = []
    session.settings_changed.connect(heard.append)
    session.particle_changed.connect(heard.append)
    session.change_settings(w=session.settings.w)
    session.set_particle(session.particle)
    assert heard == []
    session.set_particle(10_000)
    assert heard == [N - 1]  # the last there is


def test_a_setting_out_of_bounds_stays_as_it_was(session: Session) -> None:
    with pytest.raises(InputError, match=r"w 1\.5"):
        session.change_settings(w=1.5)
    assert session.settings.w == 0.8


def test_moving_w_writes_the_wish_of_a_run_that_goes_on(session: Session, tmp_path: Path) -> None:
    control = tmp_path / "control.json"
    session.change_settings(w=0.5)
    assert not control.exists()
    session.set_run(RunView(tmp_path, "running"))
    session.change_settings(w=0.3)
    assert json.loads(control.read_text()) == {"w": 0.3}
    session.ask_to_stop()
    assert json.loads(control.read_text())["stop"] is True
    assert session.is_stopping
    session.set_run(RunView(tmp_path, "stopped"))
    assert not session.is_stopping
    session.change_settings(w=0.2)
    assert json.loads(control.read_text())["w"] == 0.3


def test_worst_comes_first_and_the_filter_is_kept_to(session: Session) -> None:
    errors = np.random.default_rng(0).permutation(N).astype(float)
    session.set_predictions(predictions(errors, session))
    assert errors[session.inspection.ranking("angular error")[0]] == N - 1
    assert errors[session.inspection.ranking("confidence")[0]] == N - 1
    session.set_selection("angular error", 10.0)
    assert sorted(errors[session.selected()]) == list(range(11))
    session.set_particle(int(np.flatnonzero(errors == 9)[0]))
    session.step_in_ranking(+1)
    assert errors[session.particle] == 10
    session.step_in_ranking(+1)  # the worst of those kept
    assert errors[session.particle] == 10
    session.step_in_ranking(-1)
    assert errors[session.particle] == 9


def test_confidence_keeps_what_is_at_least_the_threshold(session: Session) -> None:
    errors = np.arange(N, dtype=float)
    session.set_predictions(predictions(errors, session))
    session.set_selection("confidence", 95.0)
    assert session.selected().tolist() == [0, 1, 2, 3, 4, 5]


def test_read_out_of_a_particle_has_star_values_and_a_high_correlation(session: Session) -> None:
    rows = dict(readout(session.data, session.inspection, 4))
    assert rows["Image"] == "000005@particles.mrcs"
    assert float(rows["Correlation"]) > 0.5  # SNR 2, at the true pose, through the CTF
    assert "STAR angles" in rows
    assert "µm" in rows["Defocus"]
    assert "nm at" in rows["Astigmatism"]


def test_angles_read_out_are_of_the_equivalent_pose_nearest_to_the_true_one(
    session: Session,
) -> None:
    particles = session.data.particles
    assert particles is not None
    assert particles.poses is not None
    group = symmetry_matrices("D2").numpy()
    turned = Poses(particles.poses.rotations @ group[2], particles.poses.shifts_angstrom)
    session.set_predictions(Predictions(Path("p"), turned, None, None, None, "D2"))
    rows = dict(readout(session.data, session.inspection, 4))
    assert rows["Predicted angles"] == rows["True angles"]
    session.set_predictions(Predictions(Path("p"), turned, None, None, None, "C1"))
    rows = dict(readout(session.data, session.inspection, 4))
    assert rows["Predicted angles"] != rows["True angles"]


def test_a_wrong_pose_correlates_less(session: Session) -> None:
    right = dict(readout(session.data, session.inspection, 4))["Correlation"]
    particles = session.data.particles
    assert particles is not None
    assert particles.poses is not None
    turned = Poses(particles.poses.rotations[::-1].copy(), particles.poses.shifts_angstrom)
    session.set_predictions(Predictions(Path("p.star"), turned, None, None, None))
    assert float(dict(readout(session.data, session.inspection, 4))["Correlation"]) < float(right)


def test_another_stack_drops_run_and_predictions(session: Session, made: Stack) -> None:
    session.set_run(
        RunView(Path("run"), "finished", record=RunRecord.of({"inputs": {"star": "/other.star"}}))
    )
    session.set_predictions(predictions(np.zeros(N), session))
    session.set_data(load_data(None, made.map))
    assert session.run is None
    assert session.inspection.kind == "nothing"


def test_more_memory_is_news_and_is_told_in_gib(tmp_path: Path) -> None:
    def write(n_bytes: int) -> None:
        memory = {"resident_bytes": n_bytes, "gpu_bytes": 2**31}
        record = {"state": "running", "phase": "training", "heartbeat": 9e12, "memory": memory}
        (tmp_path / "run.json").write_text(json.dumps(record))

    follower = Follower(tmp_path)
    write(2**30)
    assert follower.look() is not None
    write(2**30 + 1000)
    assert follower.look() is None
    write(3 * 2**29)
    view = follower.look()
    assert view is not None
    assert "memory 1.50 GiB · GPU 2.00 GiB" in standing(view).details
    (tmp_path / "log.txt").write_text("a line\n")
    view = follower.look()
    assert view is not None
    assert view.log == "a line\n"


def test_figures_count_as_they_are_shown_and_unknown_ones_are_the_worst(made: Stack):
    session = Session()
    session.set_data(load_data(made.star, made.map))
    n = len(session.inspection)
    confidence = np.full(n, 0.5)
    confidence[:3] = [0.996, np.nan, 1.0]
    session.inspection = replace(session.inspection, confidence=confidence)
    session.set_selection("confidence", 1.0)
    assert session.selected().tolist() == [0, 2]  # both read 1.00
    session.set_selection("confidence", 0.0)
    assert 1 not in session.selected()
    assert session.inspection.ranking("confidence")[0] == 1
    assert figure_of("confidence", float("nan")) == "unknown"
    unknown = replace(session.inspection, confidence=np.full(n, np.nan))
    assert "confidence" not in unknown.criteria


def test_a_map_s_symmetry_that_is_not_set_is_pointed_out(made: Stack):
    session = Session()
    session.set_map_symmetry("D2, on RELION's axes (agreement 1.00)")
    assert session.symmetry_hint() == "The map has D2 symmetry: Suggest sets it."
    session.change_settings(symmetry="D2")
    assert session.symmetry_hint() == ""
    session.set_map_symmetry("none found (C1)")
    assert session.symmetry_hint() == ""


def test_the_time_left_is_no_longer_than_the_time_given(tmp_path: Path):
    line = {"step": 1, "seconds": 0.4, "time_left_s": 413_059.0}
    record = {"phase": "training", "config": {"minutes": 0.7}}
    run = RunView(tmp_path, "running", record=RunRecord.of(record), metrics=(line,))
    assert "42 s left" in standing(run).details[0]
    assert standing(run).fraction < 0.05
