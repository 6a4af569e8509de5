from __future__ import annotations

import numpy as np
import pytest

from napari_cryoorient.io.fourier_resize import fourier_resize, rescaled


def blob(box: int, pixel: float, n_dims: int, centre: tuple[float, ...], width: float):
    """A Gaussian at ``centre`` (angstrom from pixel box // 2), sampled."""
    axis = (np.arange(box) - box // 2) * pixel
    grids = np.meshgrid(*[axis] * n_dims, indexing="ij")
    squares = sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True))
    return np.exp(-squares / (2 * width**2)).astype(np.float32)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((96, 2.2), (192, 1.274)),
        ((48, 2.0), (33, 2.0)),
        ((33, 2.0), (48, 2.0)),
        ((65, 2.0), (50, 2.7)),
        ((64, 1.5), (31, 3.1)),
        ((40, 3.0), (100, 1.1)),
    ],
)
def test_what_is_sampled_anew_lies_where_it_lay(old, new):
    where = (4.0, -7.0)
    before, after = (blob(*grid, 2, where, 6.0) for grid in (old, new))
    made = rescaled(before, new[0], (old[1], new[1]), 2)
    np.testing.assert_allclose(made, after, atol=2e-3)


def test_outside_is_a_level_and_a_map_keeps_its_grey_values():
    density = blob(32, 3.0, 3, (3.0, 0.0, -6.0), 7.0) + 5.0
    made = rescaled(density, 60, (3.0, 2.1), 3, outside=5.0)
    np.testing.assert_allclose(made, blob(60, 2.1, 3, (3.0, 0.0, -6.0), 7.0) + 5.0, atol=3e-3)
    assert made[0, 0, 0] == 5.0


@pytest.mark.parametrize("box", [20, 48])
def test_equal_fields_of_view_are_as_fourier_resize_has_them(box: int):
    noise = np.random.default_rng(0).standard_normal((3, 32, 32)).astype(np.float32)
    smooth = fourier_resize(fourier_resize(noise, 16, 2), 32, 2)  # nothing at Nyquist to share
    expected = fourier_resize(smooth, box, 2)
    np.testing.assert_allclose(rescaled(smooth, box, (3.0, 96 / box), 2), expected, atol=1e-5)


def test_finer_noise_than_the_new_grid_holds_is_left_out():
    noise = np.random.default_rng(0).standard_normal((8, 64, 64)).astype(np.float32)
    made = rescaled(noise, 30, (1.0, 2.0), 2)
    assert made.var() == pytest.approx(1 / 4, rel=0.1)  # the quarter of the plane within Nyquist


def test_the_same_grid_gives_the_same_numbers():
    noise = np.random.default_rng(0).standard_normal((2, 24, 24)).astype(np.float32)
    np.testing.assert_allclose(rescaled(noise, 24, (2.0, 2.0), 2), noise, atol=1e-5)
