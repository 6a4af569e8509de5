"""What is not a finite number is no result and no start: looked at before it is used or written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.long_arrays import some_rows
from napari_cryoorient.particles import Poses


def refuse_poses_not_finite(
    poses: Poses, confidence: ArrayLike | None, names: Sequence[str], path: Path | str
) -> None:
    """Raise InputError, naming the first image at fault, where a pose is not a finite number.

    ``names`` ``(n,)`` are the images' of ``poses``, ``path`` what would be written.
    """
    is_finite = _are_finite(poses)
    if confidence is not None:
        is_finite &= np.isfinite(np.asarray(confidence, dtype=np.float64))
    if not is_finite.all():
        row = int(np.argmin(is_finite))
        raise InputError(
            f"{len(is_finite) - int(is_finite.sum())} poses are not finite numbers, the first that "
            f"of {names[row]}: its image or CTF values are at fault, leave it out; {path} was not "
            "written."
        )


def refuse_starts_not_finite(poses: Poses, name: str) -> None:
    """Raise InputError where a pose to start from, of particles called ``name``, is no number."""
    is_finite = _are_finite(poses)
    if not is_finite.all():
        raise InputError(
            f"{len(is_finite) - int(is_finite.sum())} poses of {name} are not finite numbers, the "
            f"first is that of particle {int(np.argmin(is_finite)) + 1}: search again or leave it "
            "out."
        )


def _are_finite(poses: Poses) -> NDArray[np.bool_]:
    rotations, shifts = poses.rotations, poses.shifts_angstrom
    are_finite = np.empty(len(poses), dtype=bool)
    for some in some_rows(rotations, shifts):
        are_finite[some] = np.isfinite(rotations[some]).all(axis=(1, 2))
        are_finite[some] &= np.isfinite(shifts[some]).all(axis=1)
    return are_finite


def refuse_values_not_finite(values: ArrayLike, what: str, path: Path | str) -> None:
    """Raise InputError where an array that would be written to ``path`` has other than numbers."""
    is_finite = np.isfinite(values)
    if not is_finite.all():
        n = int(is_finite.size - np.count_nonzero(is_finite))
        raise InputError(
            f"{what} came out with {n} values that are not finite numbers, so {path} was not "
            "written; look for images or CTF values out of range."
        )
