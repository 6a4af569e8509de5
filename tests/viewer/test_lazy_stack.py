"""A lazy stack indexes as the array it stands for, and reads no more than it is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import ArrayImages, Images, Integers
from napari_cryoorient.viewer.lazy_stack import LazyStack, display_limits, quantile_limits
from napari_cryoorient.viewer.triptych import Guarded


class CountingImages(ArrayImages):
    """Images in memory that remember how many were read."""

    n_read = 0

    def read(self, indices: Integers) -> Images:
        type(self).n_read += len(indices)
        return super().read(indices)


@pytest.fixture
def images() -> Images:
    CountingImages.n_read = 0
    return np.random.default_rng(1).normal(size=(7, 6, 6)).astype(np.float32)


@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        np.int64(2),
        slice(1, 5, 2),
        (4, slice(1, 3), slice(None)),
        (slice(2, 4), slice(None), 5),
        (2, Ellipsis, 1),
        Ellipsis,
        (Ellipsis, 0),
        ([0, 6, 0], slice(None), slice(2)),
    ],
    ids=str,
)
def test_indexes_like_the_array(images, key):
    stack = LazyStack(ArrayImages(images, 1.0))
    np.testing.assert_array_equal(stack[key], images[key])


def test_shows_one_image_by_reading_one(images):
    stack = LazyStack(CountingImages(images, 1.0))
    assert stack[2, :, :].shape == (6, 6)
    assert CountingImages.n_read == 1


def test_shape_is_known_without_reading(images):
    stack = LazyStack(CountingImages(images, 1.0))
    assert (stack.shape, stack.ndim, stack.dtype, len(stack)) == ((7, 6, 6), 3, np.float32, 7)
    assert CountingImages.n_read == 0


def test_index_beyond_the_stack_is_an_index_error(images):
    with pytest.raises(IndexError):
        LazyStack(ArrayImages(images, 1.0))[7]


def test_more_than_memory_is_refused_before_it_is_read(images):
    class Endless(CountingImages):
        def __len__(self) -> int:
            return 100_000_000

    stack = LazyStack(Endless(images, 1.0))
    with pytest.raises(InputError, match="one by one, in the 2D view"):
        stack[:]
    assert CountingImages.n_read == 0


def test_grey_limits_come_from_few_images():
    CountingImages.n_read = 0
    many = np.random.default_rng(2).normal(size=(1000, 4, 4)).astype(np.float32)
    low, high = display_limits(CountingImages(many, 1.0))
    assert -4 < low < -1.5
    assert 1.5 < high < 4
    assert CountingImages.n_read <= 32


def test_grey_limits_of_a_flat_image_still_differ():
    low, high = quantile_limits(np.full((4, 4), 5, np.float32))
    assert low < 5 < high


def test_values_that_are_not_finite_have_no_part_in_the_limits():
    values = np.linspace(0, 1, 1000, dtype=np.float32).reshape(10, 10, 10)
    spoiled = np.concatenate([values, np.full((1, 10, 10), np.nan, np.float32)])
    spoiled[-1, 0, 0] = np.inf
    assert quantile_limits(spoiled) == quantile_limits(values)
    low, high = quantile_limits(spoiled[-1:, 1:])
    assert low < high


def test_an_image_that_is_not_finite_is_shown_blank_and_says_why():
    images = np.ones((2, 8, 8), np.float32)
    images[1, 3, 3] = np.nan
    told: list[str] = []
    seen = Guarded(ArrayImages(images, 1.0), told.append)
    assert seen.read(np.array([0])).any()
    assert not told
    assert not seen.read(np.array([1])).any()
    assert "not finite" in told[0]
