"""Sections show the session and ask the controller; no viewer, no background."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QFileDialog

from napari_cryoorient.runs.record import RunRecord
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.follow import RunView
from napari_cryoorient.session.inspection import Predictions
from napari_cryoorient.session.process_job import JobView
from napari_cryoorient.session.session import Session
from napari_cryoorient.widgets.data_section import DataSection
from napari_cryoorient.widgets.export_section import ExportSection
from napari_cryoorient.widgets.inspect_section import InspectSection
from napari_cryoorient.widgets.poses_part import JobBar
from napari_cryoorient.widgets.train_section import TrainSection

from .conftest import AtOnce, Told


@pytest.fixture
def controller() -> Controller:
    return Controller(Session(), AtOnce(), Told())


def shown(qtbot, section):
    qtbot.addWidget(section)
    section.show()
    return section


def with_predictions(controller: Controller) -> np.ndarray:
    session = controller.session
    particles = session.data.particles
    errors = np.linspace(0.0, 90.0, len(particles))
    session.set_predictions(Predictions(Path("p"), particles.poses, None, errors, None))
    return errors


def test_nothing_loaded_shows_what_to_do(qtbot, controller):
    data = shown(qtbot, DataSection(controller.session))
    assert data.welcome.isVisible()
    assert data.sample_button.isVisible()
    train = shown(qtbot, TrainSection(controller))
    assert not train.train_button.isEnabled()
    assert not train.stop_button.isEnabled()


def test_loaded_data_are_summed_up_and_training_may_start(qtbot, controller, made):
    data = shown(qtbot, DataSection(controller.session))
    train = shown(qtbot, TrainSection(controller))
    controller.load(made.star, made.map)
    assert not data.welcome.isVisible()
    assert ("Poses", "yes") in data.facts.rows()
    assert train.train_button.isEnabled()
    assert "napari-cryoorient train" in train.copy_button.toolTip()


def test_choosing_one_file_asks_for_both(qtbot, controller, made):
    data = shown(qtbot, DataSection(controller.session))
    with qtbot.waitSignal(data.wanted) as blocker:
        data.map_row._choose(made.map)
    assert blocker.args == [None, made.map, None]
    with qtbot.waitSignal(data.wanted) as blocker:
        data.star_row._choose(made.star)
    assert blocker.args == [made.star, made.map, None]


def test_w_follows_the_slider_and_the_slider_follows_w(qtbot, controller):
    train = shown(qtbot, TrainSection(controller))
    train.w_slider.setValue(0.35)
    qtbot.waitUntil(lambda: controller.session.settings.w == 0.35)
    controller.session.change_settings(w=0.6)
    assert train.w_slider.value() == pytest.approx(0.6)


def test_buttons_follow_the_run(qtbot, controller, made, tmp_path):
    controller.load(made.star, made.map)
    train = shown(qtbot, TrainSection(controller))
    session = controller.session
    metrics = ({"step": 3, "seconds": 10.0, "time_left_s": 30.0, "images_per_second": 12.0},)
    record = {"phase": "training"}
    session.set_run(RunView(tmp_path, "running", record=RunRecord.of(record), metrics=metrics))
    assert (train.train_button.isEnabled(), train.stop_button.isEnabled()) == (False, True)
    assert not train.main_rows["preset"].isEnabled()
    assert train.w_slider.isEnabled()
    assert train.bar.value() == 250
    assert "12 images/s" in train.details.text()
    assert "30 s left" in train.details.text()
    train.stop_button.click()
    assert train.stop_button.text() == "Stopping…"
    session.set_run(RunView(tmp_path, "failed", "no memory", RunRecord.of(record), metrics))
    assert not train.resume_button.isEnabled()  # its folder holds no run
    (tmp_path / "run.json").write_text("{}")
    session.set_run(RunView(tmp_path, "failed", "no memory", RunRecord.of(record), metrics))
    assert train.resume_button.isEnabled()
    assert "no memory" in train.headline.text()
    assert train.stop_button.text() == "Stop"


def test_a_setting_that_is_not_allowed_is_refused_in_words(qtbot, controller):
    train = shown(qtbot, TrainSection(controller))
    with qtbot.waitSignal(train.refused) as blocker:
        train._on_setting("box", 33)
    assert "Working box (px): 33" in blocker.args[0]
    assert controller.session.settings.box is None


def test_inspect_goes_to_the_worst_and_filters(qtbot, controller, made, monkeypatch):
    monkeypatch.setattr("napari_cryoorient.session.correlations.AUTOMATIC", 0)
    controller.load(made.star, made.map)
    inspect = shown(qtbot, InspectSection(controller))
    assert not inspect.worse.isVisible()
    errors = with_predictions(controller)
    session = controller.session
    assert inspect.worse.isVisible()
    inspect.worse.click()
    inspect.worse.click()
    inspect.particle.setValue(len(errors))
    assert session.particle == len(errors) - 1
    inspect.better.click()
    assert session.particle == len(errors) - 2
    inspect.filter.setChecked(True)
    inspect.threshold.setValue(45.0)
    assert len(session.selected()) == int((errors <= 45.0).sum())
    assert f"{len(session.selected())} of {len(errors)}" in inspect.kept.text()
    qtbot.waitUntil(lambda: ("Image", "000023@particles.mrcs") in inspect.facts.rows())
    session.set_selection("angular error", 60.0)
    assert inspect.threshold.value() == pytest.approx(60.0)
    inspect.filter.setChecked(False)
    assert len(session.selected()) == len(errors)


def test_export_waits_for_poses_and_for_a_filter(qtbot, controller, made):
    export = shown(qtbot, ExportSection(controller))
    assert not export.all_button.isEnabled()
    controller.load(made.star, made.map)
    with_predictions(controller)
    assert export.all_button.isEnabled()
    assert not export.selection_button.isEnabled()
    controller.session.set_selection("angular error", 45.0)
    assert export.selection_button.isEnabled()
    assert "(12)" in export.selection_button.text()


def test_a_closed_section_hears_nothing(qtbot, controller, made):
    sections = [
        shown(qtbot, DataSection(controller.session)),
        shown(qtbot, TrainSection(controller)),
        shown(qtbot, InspectSection(controller)),
        shown(qtbot, ExportSection(controller)),
    ]
    for section in sections:
        section.close_section()
    controller.load(made.star, made.map)
    assert sections[0].welcome.isVisible()
    controller.close()  # comparison and micrographs listen for as long as it is there
    for signal in (
        controller.session.data_changed,
        controller.session.run_changed,
        controller.session.particle_changed,
    ):
        assert len(signal) == 0


def test_blinking_ticks_only_while_there_are_two_projections_to_compare(qtbot, controller, made):
    controller.load(made.star, made.map)
    inspect = shown(qtbot, InspectSection(controller))
    session = controller.session
    assert not inspect.fourth.isVisible()
    with_predictions(controller)
    assert inspect.fourth.isVisible()
    inspect.fourth.setCurrentIndex(inspect.fourth.findData("blink"))
    assert session.fourth == "blink"
    blinks = []
    session.blinked.connect(lambda: blinks.append(1))
    qtbot.waitUntil(lambda: len(blinks) == 2, timeout=5000)
    session.blinked.disconnect()
    session.set_predictions(None)
    assert not inspect._blink.isActive()
    with_predictions(controller)
    assert inspect._blink.isActive()
    n = len(session.inspection_changed)
    inspect.close_section()
    assert not inspect._blink.isActive()
    assert len(session.inspection_changed) == n - 1


def test_the_button_stops_correlations_and_goes_on(qtbot, controller, made, monkeypatch):
    monkeypatch.setattr("napari_cryoorient.session.correlations.AUTOMATIC", 0)
    inspect = shown(qtbot, InspectSection(controller))
    assert not inspect.correlate.isVisible()
    controller.load(made.star, made.map)
    assert inspect.correlate.isVisible()
    assert not inspect.correlated.isVisible()
    assert "correlation" not in [
        inspect.criterion.itemText(i) for i in range(inspect.criterion.count())
    ]
    inspect.correlate.click()
    assert not inspect.correlate.isVisible()  # done
    assert inspect.criterion.currentText() == "correlation"
    assert inspect.worse.isVisible()


def test_a_stack_without_poses_is_offered_a_search_and_no_star_labels(qtbot, controller, made):
    train = shown(qtbot, TrainSection(controller))
    assert not train.poses_part.search_button.isEnabled()
    controller.load(made.star, made.map)
    assert train.poses_part.search_button.isEnabled()
    assert train.poses_part.refine_button.isEnabled()
    labels = train.main_rows["labels"]
    assert labels.model().item(labels.findData("star")).isEnabled()
    assert labels.itemText(labels.findData("search")) == "a global search"
    data = controller.session.data
    controller.session.set_data(
        replace(data, star_path=Path("other.star"), particles=replace(data.particles, poses=None))
    )
    assert train.without.isExpanded()
    assert train.poses_part.search_button.isEnabled()
    assert not train.poses_part.refine_button.isEnabled()
    assert not labels.model().item(labels.findData("star")).isEnabled()
    train.close_section()
    assert len(controller.pose_jobs.changed) == 0


def test_the_job_at_work_is_shown_and_stopped(qtbot, controller, made, tmp_path):
    train = shown(qtbot, TrainSection(controller))
    controller.load(made.star, made.map)
    jobs, bar = controller.pose_jobs, shown(qtbot, JobBar(controller))

    class AtWork:
        is_stopping = False

        def stop(self):
            self.is_stopping = True

    jobs._job = AtWork()
    jobs.view = JobView("Searching", tmp_path, done=100, total=400, left_s=42.0)
    jobs.changed.emit()
    assert bar.isVisible()
    assert bar.headline.text() == "Searching · 100 of 400 · 42 s left"
    assert bar.bar.value() == 250
    assert not train.train_button.isEnabled()
    assert not train.poses_part.search_button.isEnabled()
    bar.stop_button.click()
    assert bar.stop_button.text() == "Stopping…"
    jobs._job = None
    jobs.view = replace(jobs.view, state="failed", reason="no memory")
    jobs.changed.emit()
    assert "no memory" in bar.headline.text()
    bar.close_button.click()
    assert not bar.isVisible()
    jobs.changed.emit()
    assert not bar.isVisible()  # read, and put away
    jobs.view = replace(jobs.view, state="finished")
    jobs.changed.emit()
    assert bar.isVisible()
    controller.load(made.star, None)  # other data: what came of the command is not about them
    assert not bar.isVisible()
    controller.load(made.star, made.map)
    assert train.train_button.isEnabled()


def test_a_stopped_run_offers_to_predict(qtbot, controller, made, tmp_path):
    train = shown(qtbot, TrainSection(controller))
    controller.load(made.star, made.map)
    record = {"inputs": {"star": str(made.star), "map": str(made.map)}}
    controller.session.set_run(RunView(tmp_path, "stopped", record=RunRecord.of(record)))
    assert not train.predict_button.isEnabled()  # nothing learned yet
    (tmp_path / "checkpoint.pt").touch()
    (tmp_path / "run.json").write_text("{}")
    controller.session.set_run(RunView(tmp_path, "stopped", record=RunRecord.of(record)))
    assert train.predict_button.isEnabled()
    controller.session.set_run(RunView(tmp_path, "running"))
    assert not train.predict_button.isEnabled()


def test_the_log_follows_its_end_unless_the_user_reads_further_up(qtbot, controller, tmp_path):
    train = shown(qtbot, TrainSection(controller))
    assert not train.log_part.isVisible()
    lines = [f"line {i}" for i in range(200)]
    controller.session.set_run(RunView(tmp_path, "running", log="\n".join(lines[:100])))
    train.log_part.expand(animate=False)
    bar = train.log.verticalScrollBar()
    controller.session.set_run(RunView(tmp_path, "running", log="\n".join(lines[:150])))
    assert bar.value() == bar.maximum() > 0
    bar.setValue(20)
    controller.session.set_run(RunView(tmp_path, "running", log="\n".join(lines)))
    assert bar.value() == 20
    assert train.log.toPlainText().endswith("line 199")


def test_a_figure_goes_to_the_file_that_is_chosen(qtbot, controller, made, tmp_path, monkeypatch):
    export = shown(qtbot, ExportSection(controller))
    assert not export.figure_button.isEnabled()
    controller.load(made.star, made.map)
    assert export.figure_button.isEnabled()
    assert export.n_particles.isVisible()
    chosen = str(tmp_path / "figure"), "Vector graphics (*.svg)"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: chosen)
    export.figure_button.click()
    assert (tmp_path / "figure.svg").is_file()
    export.figure.setCurrentIndex(export.figure.findData("curves"))
    assert not export.figure_button.isEnabled()  # there is no run
    assert not export.n_particles.isVisible()
    export.close_section()
    assert len(controller.session.run_changed) == 0


def test_dropped_files_find_their_rows(qtbot, controller, made):
    data = shown(qtbot, DataSection(controller.session))
    with qtbot.waitSignal(data.wanted) as blocker:
        data.map_row._choose(made.star)  # dropped on the wrong row
    assert blocker.args == [made.star, None, None]
    dropped = QMimeData()
    dropped.setUrls([QUrl.fromLocalFile(str(made.star)), QUrl.fromLocalFile(str(made.map))])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        dropped,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    with qtbot.waitSignal(data.wanted) as blocker:
        data.dropEvent(event)
    assert blocker.args == [made.star, made.map, None]


def test_the_map_s_symmetry_stands_among_the_facts(qtbot, controller, made):
    data = shown(qtbot, DataSection(controller.session))
    controller.load(made.star, made.map)
    assert ("Symmetry", "none found (C1)") in data.facts.rows()
    controller.load(made.star, None)
    assert "Symmetry" not in dict(data.facts.rows())
    data.close_section()
    assert len(controller.session.map_symmetry_changed) == 0


def test_a_filter_outlives_correlations_that_come_later(qtbot, controller, made, monkeypatch):
    monkeypatch.setattr("napari_cryoorient.session.correlations.AUTOMATIC", 0)
    controller.load(made.star, made.map)
    inspect = shown(qtbot, InspectSection(controller))
    session = controller.session
    poses = session.data.particles.poses
    figures = np.linspace(0, 1, len(poses))
    session.set_predictions(Predictions(Path("p"), poses, figures, figures, None))
    session.set_selection("confidence", 0.5)
    controller.correlations.start()
    assert session.inspection.correlations is not None
    assert (session.criterion, session.threshold) == ("confidence", 0.5)
    assert inspect.criterion.currentText() == "confidence"
    assert inspect.filter.isChecked()
