"""HEALPix pixels: equal areas, centres within their own pixel, places known from the definition."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cryoorient.geometry.healpix import centres, n_pixels, pixel_of


@pytest.mark.parametrize("nside", [1, 2, 3, 8, 64, 128])
def test_the_centre_of_each_pixel_lies_in_it(nside: int) -> None:
    middles = centres(nside)
    np.testing.assert_allclose(np.linalg.norm(middles, axis=1), 1.0, atol=1e-12)
    assert np.array_equal(pixel_of(middles, nside), np.arange(n_pixels(nside)))


def test_pixels_have_equal_areas() -> None:
    n, nside = 400_000, 4
    directions = np.random.default_rng(0).normal(size=(n, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    counts = np.bincount(pixel_of(directions, nside), minlength=n_pixels(nside))
    expected = n / n_pixels(nside)
    assert len(counts) == n_pixels(nside)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_a_direction_is_never_farther_from_its_centre_than_a_pixel_is_wide() -> None:
    nside = 16
    directions = np.random.default_rng(1).normal(size=(50_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    cosines = (directions * centres(nside)[pixel_of(directions, nside)]).sum(1)
    assert np.degrees(np.arccos(cosines.min())) < 58.6 / nside


def test_rings_of_the_definition() -> None:
    heights = np.unique(np.round(centres(2)[:, 2], 12))[::-1]
    np.testing.assert_allclose(heights, [11 / 12, 2 / 3, 1 / 3, 0, -1 / 3, -2 / 3, -11 / 12])
    # Nside 1: four pixels about each pole, turned by 45 degrees, and four on the equator.
    np.testing.assert_allclose(centres(1)[4], [1, 0, 0], atol=1e-12)
    assert pixel_of(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]), 1).tolist() == [0, 8]
