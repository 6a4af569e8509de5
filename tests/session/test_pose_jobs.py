"""Poses without training: the commands themselves run, and what they write is looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.star import read_particles, read_star, write_star
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.data import load_data
from napari_cryoorient.session.inspection import Predictions
from napari_cryoorient.session.pose_jobs import words_of
from napari_cryoorient.session.predicted import load_predictions
from napari_cryoorient.session.session import Session

from .conftest import AtOnce, N, Stack, Told


@pytest.fixture
def controller(made: Stack) -> Controller:
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(made.star, made.map)
    controller.session.change_settings(device="cpu")
    return controller


def told(controller: Controller) -> Told:
    assert isinstance(controller._notify, Told)
    return controller._notify


def test_a_search_finds_poses_and_shows_them(controller: Controller) -> None:
    session = controller.session
    controller.pose_jobs.search(subset=8)
    assert told(controller).errors == []
    inspection = session.inspection
    assert (inspection.kind, inspection.source) == ("predictions", "search")
    assert [one.title for one in inspection.pictures] == ["input", "STAR's pose", "found pose"]
    assert len(inspection) == 8
    assert inspection.errors_deg is not None
    assert inspection.confidence is not None
    assert np.median(inspection.errors_deg) < 5  # SNR 2
    assert inspection.correlations is not None
    # What the confidence is made of can be ranked by, the two apart.
    assert {"particle is there", "pose is right"} <= set(inspection.criteria)
    assert inspection.presence is not None
    assert inspection.pose_probability is not None
    np.testing.assert_allclose(
        inspection.presence * inspection.pose_probability, inspection.confidence, atol=1e-4
    )
    # The images beside the poses are those of the particles searched.
    assert session.data.particles is not None
    np.testing.assert_array_equal(
        inspection.pictures[0].images.read(np.array([2])),
        session.data.particles.images.read(inspection.rows[[2]]),
    )
    view = controller.pose_jobs.view
    assert view is not None
    assert (view.state, view.fraction) == ("finished", 1.0)
    assert "8 particles" in words_of(view)
    assert "mean confidence" in words_of(view)


def test_refining_a_star_file_s_poses_says_how_far_they_moved(
    controller: Controller, tmp_path: Path
) -> None:
    controller.pose_jobs.refine()
    assert told(controller).errors == []
    inspection = controller.session.inspection
    assert inspection.source == "STAR, refined"
    assert inspection.errors_deg is not None
    assert np.median(inspection.errors_deg) < 3
    assert inspection.pictures[1].title == "STAR's pose"
    assert controller.pose_jobs.view is not None
    assert "moved by" in words_of(controller.pose_jobs.view)


def test_a_null_test_says_what_it_found_and_leaves_a_page(controller: Controller) -> None:
    controller.pose_jobs.null_test(subset=8)
    assert told(controller).errors == []
    view = controller.pose_jobs.view
    assert view is not None
    assert view.state == "finished"
    # The tab Checks has the whole sentence: it is not said twice.
    assert view.results["sentence"] not in words_of(view)
    assert words_of(view) == "the map explains the particles"
    page = view.folder / "null-test.pdf"
    assert told(controller).infos == [f"The null test's page with all figures: {page}"]
    assert page.read_bytes().startswith(b"%PDF")
    assert controller.session.inspection.kind != "predictions"


def test_a_command_that_fails_tells_why_and_changes_nothing(controller: Controller) -> None:
    before = controller.session.inspection
    controller.session.change_settings(symmetry="Q9")
    controller.pose_jobs.search()
    assert "Q9" in told(controller).errors[0]
    assert controller.session.inspection is before
    assert not controller.pose_jobs.is_going


def test_a_part_of_the_stack_is_exported_as_that_part(controller: Controller, made: Stack) -> None:
    session, rows = controller.session, np.array([3, 5, 11, 20])
    assert session.data.particles is not None
    assert session.data.particles.poses is not None
    poses = session.data.particles.poses[rows[::-1]]
    errors = np.array([1.0, 9.0, 2.0, 3.0])
    session.set_predictions(
        Predictions(Path("p"), poses, None, errors, None, source="search", rows=rows)
    )
    names = particle_block(read_star(made.star)).table["rlnImageName"]
    for only_selected, kept in ((False, rows), (True, rows[[0, 2, 3]])):
        session.set_selection("angular error", 5.0)
        out = made.star.with_name(f"part-{only_selected}.star")
        controller.exports.poses(out, "kept" if only_selected else "all")
        table = particle_block(read_star(out)).table
        assert table["rlnImageName"].tolist() == names.iloc[kept].tolist()
    written = read_particles(made.star.with_name("part-False.star"))[0]
    assert written.poses is not None
    np.testing.assert_allclose(written.poses.rotations, poses.rotations, atol=1e-5)
    assert told(controller).errors == []


def test_poses_written_in_another_order_find_their_particles(made: Stack, tmp_path: Path) -> None:
    star = read_star(made.star)
    block = particle_block(star)
    order = np.random.default_rng(0).permutation(N)[:9]
    shuffled = replace(block, table=block.table.iloc[order].reset_index(drop=True))
    write_star(star.with_block(shuffled), tmp_path / "some.star")
    found = load_predictions(load_data(made.star, made.map), tmp_path / "some.star")
    assert found.rows is not None
    assert found.rows.tolist() == sorted(order)
    assert found.errors_deg is not None
    np.testing.assert_allclose(found.errors_deg, 0.0, atol=0.1)


def test_without_a_map_there_is_a_word_and_no_process(made: Stack) -> None:
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(made.star, None)
    assert not controller.pose_jobs.can_search
    controller.pose_jobs.search()
    assert "a map" in told(controller).warnings[0]
    controller.pose_jobs.predict()
    assert "no trained run" in told(controller).warnings[1]
