"""Which particles are of which half-set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cryoorient.errors import InputError
from napari_cryoorient.tasks.reconstruct import _one_half_set, half_sets


@given(
    st.tuples(st.integers(-3, 300), st.integers(-3, 300)).filter(lambda v: v[0] < v[1]), st.data()
)
def test_any_two_values_are_the_half_sets(values, data):
    known = np.array([*values, *data.draw(st.lists(st.sampled_from(values), max_size=9))])
    said: list[str] = []
    first, second = half_sets(known, len(known), 0, said.append)
    np.testing.assert_array_equal(first, np.flatnonzero(known == values[0]))
    np.testing.assert_array_equal(second, np.flatnonzero(known == values[1]))
    assert ("in place of 1 and 2" in said[0]) == (values != (1, 2))
    np.testing.assert_array_equal(_one_half_set(known, len(known), 2, 0, said.append), second)


def test_one_value_is_one_half_set_and_is_told():
    said: list[str] = []
    known = np.full(10, 2)
    first, second = half_sets(known, 10, 0, said.append)
    assert sorted([*first, *second]) == list(range(10))
    assert said == [
        "All 10 particles are of one half-set (rlnRandomSubset is 2); drawn at random with seed 0."
    ]
    assert len(_one_half_set(known, 10, 2, 0, said.append)) == 10
    with pytest.raises(InputError, match="No particle is of half-set 1: rlnRandomSubset is 2"):
        _one_half_set(known, 10, 1, 0, said.append)


def test_three_values_are_refused():
    with pytest.raises(InputError, match=r"has 3 values \(0, 1, 2 \.\.\.\) and there are two"):
        half_sets(np.array([0, 1, 2, 1]), 4, 0, print)
