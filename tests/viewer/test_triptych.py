"""Layers of the triptych: side by side, in step with the session, written in one place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cryoorient.particles import Poses
from napari_cryoorient.session.data import load_data
from napari_cryoorient.session.inspection import Predictions
from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.display import Display
from napari_cryoorient.viewer.napari_api import camera_of, grid_of
from session.conftest import Stack, made

__all__ = ["made"]


@pytest.fixture
def session(made: Stack) -> Session:
    session = Session()
    session.set_data(load_data(made.star, made.map))
    return session


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def display(session: Session, viewer: ViewerModel) -> Display:
    return Display(session, viewer)


def predict(session: Session) -> None:
    particles = session.data.particles
    assert particles is not None
    assert particles.poses is not None
    errors = np.zeros(len(particles))
    session.set_predictions(Predictions(Path("p"), particles.poses, None, errors, errors))


def test_three_panels_share_a_grid_and_what_is_linked(session, viewer, display):
    predict(session)
    assert [layer.name for layer in viewer.layers] == ["input", "true pose", "predicted pose"]
    assert grid_of(viewer).enabled
    _, true, predicted = viewer.layers
    true.contrast_limits = (1.0, 2.0)
    assert predicted.contrast_limits == [1.0, 2.0]
    true.colormap = "magma"
    assert {layer.colormap.name for layer in viewer.layers} == {"magma"}
    np.testing.assert_allclose(true.data[3], predicted.data[3])


def test_the_slider_and_the_session_follow_each_other(session, viewer, display):
    viewer.dims.set_current_step(0, 7)
    assert session.particle == 7
    session.set_particle(3)
    assert viewer.dims.current_step[0] == 3


def test_layers_renamed_by_the_user_are_still_known(session, viewer, display):
    viewer.layers[0].name = "my particles"
    layers = list(viewer.layers)
    session.set_low_pass(30.0)
    assert list(viewer.layers) == layers


def test_layers_of_others_are_left_alone(session, viewer, display):
    other = viewer.add_points(np.zeros((1, 3)), name="mine")
    predict(session)
    assert other in viewer.layers
    assert set(display.triptych.layers()) == {"input", "true", "predicted"}


def test_contrast_and_camera_stay_while_the_same_is_refreshed(session, viewer, display):
    viewer.layers[1].contrast_limits = (0.25, 0.75)
    camera_of(viewer).zoom = 7.0
    session.inspection_changed.emit(session.inspection)
    assert viewer.layers[1].contrast_limits == [0.25, 0.75]
    assert camera_of(viewer).zoom == 7.0


def test_a_closed_display_hears_nothing(session, viewer, display):
    display.close()
    viewer.dims.set_current_step(0, 5)
    assert session.particle == 0
    assert len(session.inspection_changed) == 0


def test_the_difference_is_a_fourth_view_that_comes_and_goes(session, viewer, display):
    predict(session)
    session.set_fourth("difference")
    assert [layer.name for layer in viewer.layers][-1] == "predicted - true"
    np.testing.assert_array_equal(viewer.layers[-1].data[2], 0.0)  # the same poses
    session.set_fourth("none")
    assert len(viewer.layers) == 3


def test_blinking_shows_both_projections_in_turn_under_their_names(session, viewer, display):
    particles = session.data.particles
    turned = Poses(particles.poses.rotations[::-1].copy(), particles.poses.shifts_angstrom)
    session.set_predictions(Predictions(Path("p"), turned, None, None, None))
    session.set_fourth("blink")
    _, true, predicted, blinking = viewer.layers
    assert not np.array_equal(true.data[2], predicted.data[2])
    for layer in (true, predicted, true):
        assert blinking.name == f"blink: {layer.name}"
        np.testing.assert_array_equal(blinking.data[2], layer.data[2])
        session.blink()
    true.contrast_limits = (1.0, 2.0)
    assert blinking.contrast_limits == [1.0, 2.0]
    session.set_fourth("none")
    assert len(viewer.layers) == 3
    session.blink()  # a last tick of the timer
    display.close()
    assert len(session.blinked) == 0
