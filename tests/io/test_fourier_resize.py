import numpy as np
import pytest
import torch

from napari_cryoorient.io.fourier_resize import fourier_resize
from napari_cryoorient.projection.resample import fourier_crop_images


def gaussian(box, n_dims, pixel, centre):
    """A blob at ``centre`` (in units of the field) from the middle, sampled with ``pixel``."""
    axes = np.indices((box,) * n_dims).astype(float)
    squared = sum(
        ((axis - box // 2) * pixel - offset) ** 2 for axis, offset in zip(axes, centre, strict=True)
    )
    return np.exp(-squared / (2 * 3.0**2)).astype(np.float32)


@pytest.mark.parametrize(("old", "new"), [(32, 24), (24, 32), (30, 20), (32, 32), (20, 30)])
@pytest.mark.parametrize("n_dims", [2, 3])
def test_the_field_and_its_centre_stay(old, new, n_dims):
    field = 32.0
    centre = (1.5, -2.0, 0.7)[:n_dims]
    resized = fourier_resize(gaussian(old, n_dims, field / old, centre), new, n_dims)
    expected = gaussian(new, n_dims, field / new, centre)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, expected, atol=2e-3)


def test_the_mean_grey_stays():
    images = np.random.default_rng(0).normal(3.0, 1.0, (4, 32, 32)).astype(np.float32)
    resized = fourier_resize(images, 16, 2)
    np.testing.assert_allclose(resized.mean((1, 2)), images.mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize("axis", [0, 1], ids=["y", "x"])
def test_mirroring_and_resizing_commute(axis):
    image = np.random.default_rng(1).normal(size=(16, 16)).astype(np.float32)

    def mirrored(array):
        return np.roll(np.flip(array, axis), 1, axis)

    first = fourier_resize(mirrored(image), 10, 2)
    np.testing.assert_allclose(first, mirrored(fourier_resize(image, 10, 2)), atol=1e-6)


def test_odd_lengths_are_refused():
    with pytest.raises(ValueError, match="even"):
        fourier_resize(np.zeros((9, 9), np.float32), 6, 2)


@pytest.mark.parametrize(("old", "new"), [(16, 10), (10, 16), (12, 2), (16, 14)])
def test_it_is_what_the_projector_does_nyquist_included(old, new):
    images = np.random.default_rng(2).normal(size=(3, old, old)).astype(np.float32)
    expected = fourier_crop_images(torch.from_numpy(images), new).numpy()
    np.testing.assert_allclose(fourier_resize(images, new, 2), expected, atol=2e-6)


@pytest.mark.parametrize("new", [8, 12])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirroring_and_resizing_maps_commute_and_nyquist_stays(axis, new):
    voxels = np.random.default_rng(3).normal(size=(10, 10, 10)).astype(np.float32)

    def mirrored(array):
        return np.roll(np.flip(array, axis), 1, axis)

    first = fourier_resize(mirrored(voxels), new, 3)
    np.testing.assert_allclose(first, mirrored(fourier_resize(voxels, new, 3)), atol=2e-6)
    x = np.arange(10)
    wave = np.moveaxis(np.broadcast_to(np.cos(np.pi * x), (10, 10, 10)), 2, axis)
    there = fourier_resize(wave.astype(np.float32), 20, 3)
    np.testing.assert_allclose(np.abs(there).max(), 1.0, atol=1e-5)
