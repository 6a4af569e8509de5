"""Results are looked at before they are written: what is not a finite number is no result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Poses


def refuse_poses_not_finite(
    poses: Poses, confidence: ArrayLike | None, names: Sequence[str], path: Path | str
) -> None:
    """Raise InputError, naming the first image at fault, where a pose is not a finite number.

    ``names`` ``(n,)`` are the images' of ``poses``, ``path`` what would be written.
    """
    values = [poses.rotations.reshape(len(poses), -1), poses.shifts_angstrom]
    if confidence is not None:
        values.append(np.asarray(confidence, dtype=np.float64)[:, None])
    is_finite = np.asarray(np.isfinite(np.hstack(values)).all(axis=1))
    if not is_finite.all():
        row = int(np.argmin(is_finite))
        raise InputError(
            f"{len(is_finite) - int(is_finite.sum())} poses are not finite numbers, the first that "
            f"of {names[row]}: its image or CTF values are at fault, leave it out; {path} was not "
            "written."
        )


def refuse_values_not_finite(values: ArrayLike, what: str, path: Path | str) -> None:
    """Raise InputError where an array that would be written to ``path`` has other than numbers."""
    is_finite = np.isfinite(values)
    if not is_finite.all():
        n = int(is_finite.size - np.count_nonzero(is_finite))
        raise InputError(
            f"{what} came out with {n} values that are not finite numbers, so {path} was not "
            "written; look for images or CTF values out of range."
        )
