import string

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.image_names import (
    NO_NUMBER,
    image_name,
    match_rows,
    other_ending,
    split_image_name,
    split_image_names,
)

STACKS = st.text(string.ascii_letters + string.digits + "@:/._-é ", min_size=1, max_size=20)


@given(st.integers(0, 10**17), STACKS)
def test_a_name_is_split_into_what_it_was_joined_from(number, stack):
    assume(not stack.lower().endswith((":mrc", ":mrcs")))
    assert split_image_name(image_name(number, stack)) == (number, stack)
    assert split_image_name(image_name(number, f"{stack}:mrcs")) == (number, stack)


@given(st.lists(st.tuples(st.integers(0, 999), STACKS), min_size=1, max_size=20))
def test_names_are_split_alike_one_by_one_and_together(pairs):
    names = [image_name(*pair) for pair in pairs] + [stack for _, stack in pairs]
    numbers, stack_of, stacks = split_image_names(names)
    together = [(int(n), stacks[k]) for n, k in zip(numbers, stack_of, strict=True)]
    assert together == [split_image_name(name) for name in names]
    assert len(set(stacks)) == len(stacks)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("000001@run@2.mrcs", (1, "run@2.mrcs")),
        ("run@2.mrc", (NO_NUMBER, "run@2.mrc")),
        ("3@a.dat:MRCS", (3, "a.dat")),
        ("a.mrc:mrc", (NO_NUMBER, "a.mrc")),
        ("-1@a.mrcs", (NO_NUMBER, "-1@a.mrcs")),
        ("²@a.mrcs", (NO_NUMBER, "²@a.mrcs")),
        ("9" * 5000 + "@a.mrcs", (10**18, "a.mrcs")),
        ("1@", (1, "")),
    ],
)
def test_odd_names(name, parts):
    assert split_image_name(name) == parts


@given(st.permutations(range(8)), st.sampled_from([".mrc", ".mrcs", ".MRCS"]), st.booleans())
def test_pairs_are_found_whatever_the_ending_and_the_folders(order, ending, in_folder):
    ours = [image_name(i + 1, "Extract/a.mrcs") for i in range(8)]
    folder = "J5/extract/" if in_folder else "Extract/"
    theirs = [f"{i + 1}@{folder}a{ending}" for i in order]
    rows, their_rows = match_rows(ours, theirs)
    assert rows.tolist() == list(range(8))
    assert [order[row] for row in their_rows] == list(range(8))


def test_a_file_with_one_image_is_its_image_1():
    rows, _ = match_rows(["a.mrc", "b.mrc"], ["1@./b.mrc:mrc"])
    np.testing.assert_array_equal(rows, [1])


def test_stacks_of_both_endings_in_one_file_are_two():
    ours = ["1@a.mrc", "1@a.mrcs"]
    assert match_rows(ours, ours[::-1])[1].tolist() == [1, 0]
    with pytest.raises(InputError, match=r"may be that of a.mrc or of a.mrcs"):
        match_rows(ours, ["1@x/a.MRC"])


def test_an_image_listed_twice_is_told():
    with pytest.raises(InputError, match=r"Image 1 of a.mrcs is listed twice"):
        match_rows(["1@a.mrcs", "000001@a.mrcs"], ["1@a.mrcs"])


def test_endings_of_stacks_have_another():
    assert [other_ending(name) for name in ("a.mrc", "a.MRCs", "a.st")] == ["a.mrcs", "a.MRC", None]
