"""Which particles a run learns from, and which it is tested on."""

from __future__ import annotations

import numpy as np

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Integers


def split_of(n: int, config: TrainConfig) -> tuple[Integers, Integers]:
    """Split ``n`` rows into (train, test) as ``config`` says, each sorted and neither empty.

    Raises InputError for a part of a cross-validation that cannot be.
    """
    if config.n_folds is None and config.fold is None:
        return split_rows(n, config.test_fraction, config.seed)
    if config.n_folds is None or config.fold is None:
        raise InputError("The number of folds and the fold go together: give both, or neither.")
    return fold_rows(n, config.n_folds, config.fold, config.seed)


def split_rows(n: int, test_fraction: float, seed: int) -> tuple[Integers, Integers]:
    """Split ``n`` rows at random into (train, test), each sorted and neither empty."""
    order = np.random.default_rng(seed).permutation(n)
    n_test = min(max(round(n * test_fraction), 1), n - 1)
    return np.sort(order[n_test:]), np.sort(order[:n_test])


def fold_rows(n: int, n_folds: int, fold: int, seed: int) -> tuple[Integers, Integers]:
    """Split ``n`` rows into (train, test), where test is part ``fold`` = 1 .. ``n_folds``.

    The parts are drawn at random, differ in size by one row at most, and cover every row once.
    Raises InputError for a part that does not exist or would be empty.
    """
    if not 1 <= fold <= n_folds:
        raise InputError(f"Fold {fold} is not one of the folds 1 to {n_folds}.")
    if n < n_folds:
        raise InputError(
            f"{n} particles cannot be split into {n_folds} parts: give more particles, or choose "
            "fewer parts."
        )
    order = np.random.default_rng(seed).permutation(n)
    is_test = np.arange(n) % n_folds == fold - 1
    return np.sort(order[~is_test]), np.sort(order[is_test])
