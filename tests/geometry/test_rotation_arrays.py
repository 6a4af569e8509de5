"""NumPy's distances of rotations are those of torch, which other tests hold to roma."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.geometry import rotation_arrays, rotations, symmetry
from napari_cryoorient.geometry.point_groups import point_group
from support.pose_sets import rotations as drawn


@pytest.mark.parametrize("name", ["C1", "D7", "O"])
def test_distances_are_those_of_torch(name: str) -> None:
    a, b, group = drawn(40, 1), drawn(40, 2), point_group(name)
    b[:10] = a[:10] @ group[-1].T  # equivalent poses too
    tensors = [torch.from_numpy(each) for each in (a, b, group)]
    for function in ("nearest_equivalent", "symmetric_distance_deg"):
        found = getattr(rotation_arrays, function)(a, b, group)
        expected = getattr(symmetry, function)(*tensors).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
    found = rotation_arrays.angular_distance_deg(a, b)
    np.testing.assert_allclose(found, rotations.angular_distance_deg(*tensors[:2]), atol=1e-9)


def test_one_rotation_is_compared_with_many() -> None:
    many, group = drawn(20, 3), point_group("D2")
    one = many[7] @ group[2].T
    apart = rotation_arrays.symmetric_distance_deg(many, one, group)
    assert apart.argmin() == 7
    assert apart[7] < 1e-5
    assert (np.delete(apart, 7) > 1).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_nearest_rotation_is_that_of_torch(sign: int) -> None:
    """Of a mean of rotations; and of its mirror image, whose nearest orthogonal matrix is none."""
    mean = sign * drawn(5, 4).mean(0)
    found = rotation_arrays.nearest_rotation(mean)
    np.testing.assert_allclose(
        found, rotations.nearest_rotation(torch.from_numpy(mean)), atol=1e-12
    )
    assert np.linalg.det(found) == pytest.approx(1)
