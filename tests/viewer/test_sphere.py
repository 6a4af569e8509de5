"""The view sphere: a pose's third row, in napari's axis order, coloured from good to bad."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cryoorient.geometry.rotations import euler_zyz_deg_to_matrix
from napari_cryoorient.particles import Poses
from napari_cryoorient.session.data import Data
from napari_cryoorient.session.inspection import Inspection, inspect
from napari_cryoorient.viewer.sphere import ViewSphere, view_directions


def inspection_of(n: int = 50) -> Inspection:
    angles = np.random.default_rng(0).uniform(0, 180, (n, 3))
    poses = Poses(euler_zyz_deg_to_matrix(angles), np.zeros((n, 2)))
    errors = np.linspace(0, 40, n)
    return Inspection("predictions", np.arange(n), (), poses, poses, errors, None, None)


def test_directions_are_relion_s_of_rot_and_tilt():
    rot, tilt = np.deg2rad([30.0, 50.0])
    poses = Poses(euler_zyz_deg_to_matrix(np.array([[30.0, 50.0, 77.0]])), np.zeros((1, 2)))
    x, y, z = np.sin(tilt) * np.cos(rot), np.sin(tilt) * np.sin(rot), np.cos(tilt)
    np.testing.assert_allclose(view_directions(poses), [[z, y, x]], atol=1e-12)


def test_bad_is_redder_than_good_and_the_filter_hides():
    sphere = ViewSphere(ViewerModel())
    inspection = inspection_of()
    sphere.show(inspection, "angular error")
    good, bad = sphere.points.face_color[0], sphere.points.face_color[-1]
    assert bad[0] > good[0]
    assert bad[2] < good[2]
    assert sphere.points.features["angular_error"].tolist() == inspection.errors_deg.tolist()
    kept = inspection.errors_deg < 20
    colours = sphere.points.face_color[kept]
    sphere.show(inspection, "angular error", kept)
    assert len(sphere.points.data) == kept.sum()
    np.testing.assert_allclose(sphere.points.face_color, colours)  # they mean the same as before
    sphere.show_current(49)  # dropped, and looked at
    np.testing.assert_allclose(
        sphere.current.data, 1.01 * view_directions(inspection.shown_poses)[49:]
    )


def test_another_figure_or_none_takes_over_the_colours():
    """napari warns, which fails here, where the column goes that the points are coloured by."""
    sphere = ViewSphere(ViewerModel())
    inspection = inspection_of()
    sphere.show(inspection, "angular error")
    by_error = sphere.points.face_color.copy()
    sphere.show(inspection, "shift error")  # which this file does not tell
    plain = sphere.points.face_color
    assert (plain == plain[0]).all()
    sphere.show(replace(inspection, confidence=np.linspace(0, 1, 50)), "confidence")
    by_confidence = sphere.points.face_color.copy()
    assert by_confidence[0, 0] > by_confidence[-1, 0]  # the unsure are red
    sphere.show(inspection, "angular error")
    np.testing.assert_allclose(sphere.points.face_color, by_error)


def test_hovering_names_the_figure_that_is_chosen():
    sphere = ViewSphere(ViewerModel())
    inspection = inspection_of()

    def hovered() -> str:
        place = sphere.points.data[3]
        return " ".join(sphere.points._get_properties(place, dims_displayed=[0, 1, 2]))

    sphere.show(inspection, "angular error")
    assert "angular_error: " in hovered()
    sphere.show(inspection, "shift error")  # which this file does not tell
    assert "row: " in hovered()
    assert "coloured_by" not in hovered()


def test_showing_draws_once_however_much_changes():
    """With 300,000 points napari takes a quarter of a second for each drawing."""
    sphere = ViewSphere(ViewerModel())
    drawn: list[str] = []
    for name in ("set_data", "size", "face_color", "data", "face_colormap"):
        sphere.points.events[name].connect(lambda _, name=name: drawn.append(name))
    sphere.show(inspection_of(), "angular error")
    assert drawn == ["set_data"]
    sphere.show(inspection_of(), "angular error", np.arange(50) < 20)
    assert drawn == ["set_data", "set_data"]


@pytest.mark.parametrize("is_known", [True, False])
def test_of_many_particles_the_worst_and_an_even_sample_are_drawn(
    is_known: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("napari_cryoorient.viewer.sphere.MOST_POINTS", 25)
    monkeypatch.setattr("napari_cryoorient.viewer.sphere.WORST_POINTS", 5)
    sphere, inspection = ViewSphere(ViewerModel()), inspection_of(100)
    bad = np.array([17, 33, 34, 71, 90])
    errors = np.ones(100)
    errors[bad] = 90.0
    inspection = replace(inspection, errors_deg=errors if is_known else None)
    sphere.show(inspection, "angular error")
    assert sphere.is_sample
    rows = np.asarray(sphere.points.features["row"])
    assert (rows[0], rows[-1]) == (0, 99)
    if is_known:
        assert set(bad) <= set(rows.tolist())
        assert 20 <= len(rows) <= 25
    else:
        assert len(rows) == 25
        assert np.ptp(np.diff(rows)) <= 1
    np.testing.assert_array_equal(sphere.points.data, view_directions(inspection.shown_poses)[rows])
    ends = sphere.colour_ends
    sphere.show(inspection, "angular error", np.arange(100) >= 90)
    assert not sphere.is_sample
    assert len(sphere.points.data) == 10
    assert sphere.colour_ends == ends


def test_the_current_particle_is_marked():
    sphere = ViewSphere(ViewerModel())
    sphere.show(inspection_of(), "angular error")
    sphere.show_current(7)
    np.testing.assert_allclose(sphere.current.data[0], 1.01 * sphere.points.data[7])


def test_without_poses_there_is_nothing():
    sphere = ViewSphere(ViewerModel())
    sphere.show(inspection_of(), "angular error")
    sphere.show(inspect(Data(), None, None), "angular error")
    assert len(sphere.points.data) == 0
