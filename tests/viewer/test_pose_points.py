"""Each particle is a point where its viewing direction meets the sphere, its columns beside it."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Points

from napari_cryoorient.errors import InputError
from napari_cryoorient.viewer.pose_points import directions_layer

STAR = """
data_

loop_
_rlnImageName #1
_rlnAngleRot #2
_rlnAngleTilt #3
_rlnAnglePsi #4
_rlnOriginX #5
000001@a.mrcs  0  90 10 2
000002@a.mrcs 90  90 20 0
000003@a.mrcs 45   0 30 1
"""


def test_directions_lie_where_relion_s_angles_say(tmp_path):
    path = tmp_path / "particles.star"
    path.write_text(STAR)
    data, options, kind = directions_layer(path)
    assert kind == "points"
    layer = Points(data, **options)
    x, y, z = layer.data.T[::-1]  # (sin tilt cos rot, sin tilt sin rot, cos tilt)
    np.testing.assert_allclose(x, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(y, [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(z, [0, 0, 1], atol=1e-12)
    assert list(layer.features["rlnAnglePsi"]) == [10.0, 20.0, 30.0]
    assert list(layer.features["row"]) == [0, 1, 2]


def test_a_file_without_poses_is_refused(tmp_path):
    path = tmp_path / "particles.star"
    path.write_text("data_\n\nloop_\n_rlnImageName #1\n000001@a.mrcs\n")
    with pytest.raises(InputError, match="no poses to show"):
        directions_layer(path)
