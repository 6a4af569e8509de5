from __future__ import annotations

import numpy as np
import pytest

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.training.split import fold_rows, split_of


@pytest.mark.parametrize("n", [5, 23, 1000])
def test_the_parts_of_a_cross_validation_hold_every_row_once(n: int) -> None:
    splits = [fold_rows(n, 5, fold, seed=3) for fold in range(1, 6)]
    tested = np.concatenate([test for _, test in splits])
    np.testing.assert_array_equal(np.sort(tested), np.arange(n))
    sizes = [len(test) for _, test in splits]
    assert max(sizes) - min(sizes) <= 1
    for train, test in splits:
        np.testing.assert_array_equal(np.union1d(train, test), np.arange(n))
        assert len(np.intersect1d(train, test)) == 0


def test_parts_are_drawn_from_the_seed() -> None:
    first, same, other = (fold_rows(100, 5, 1, seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)
    assert np.any(np.diff(first) != 5)  # not every fifth image of a micrograph


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_folds": 5}, "^The number of folds and the fold go together"),
        ({"fold": 1}, "^The number of folds and the fold go together"),
        ({"n_folds": 5, "fold": 6}, "^Fold 6 .* 1 to 5"),
        ({"n_folds": 200, "fold": 1}, "100 particles"),
    ],
    ids=["no fold", "no number of folds", "no such fold", "more folds than particles"],
)
def test_parts_that_cannot_be_are_refused(settings: dict[str, int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        split_of(100, TrainConfig(**settings))


def test_without_folds_the_test_fraction_holds() -> None:
    train, test = split_of(100, TrainConfig(test_fraction=0.3))
    assert (len(train), len(test)) == (70, 30)
