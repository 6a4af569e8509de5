"""Which rows of two sets of poses are of the same particle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.image_names import match_rows
from napari_cryoorient.particles import Integers, Poses


@dataclass(frozen=True, eq=False)
class NamedPoses:
    """Poses, the image ``names`` of their particles if there are any, and what to call the set."""

    poses: Poses
    names: Sequence[str]
    title: str


def paired_rows(names: Sequence[str], others: Sequence[str]) -> tuple[Integers, Integers]:
    """Pair particles of two files by image name, as ``match_rows``, which says what it raises.

    Files that spell all names alike, as most do, are paired many times faster.
    """
    index = pd.Index(others, dtype=object)
    if index.is_unique:
        found = index.get_indexer(pd.Index(names, dtype=object))
        if (found >= 0).all() and len(np.unique(found)) == len(found):
            return np.arange(len(names), dtype=np.int64), found.astype(np.int64)
    return match_rows(names, others)


def paired(a: NamedPoses, b: NamedPoses) -> tuple[Integers, Integers]:
    """Return the rows of each pair in ``a`` and in ``b``.

    Particles are paired by image name where both sets have names, else row by row.  Raises
    InputError where nothing can be paired.
    """
    if len(a.names) and len(b.names):
        rows, other_rows = paired_rows(a.names, b.names)
        if not len(rows):
            raise InputError(
                f"No particle of {a.title} ({a.names[0]} ...) is in {b.title} ({b.names[0]} ...); "
                "compare particles of one stack."
            )
        return rows, other_rows
    if len(a.poses) != len(b.poses):
        raise InputError(
            f"{len(a.poses)} poses cannot be compared with {len(b.poses)} row by row, and not "
            "both have image names to pair them by."
        )
    if not len(a.poses):
        raise InputError("There are no poses to compare.")
    rows = np.arange(len(a.poses), dtype=np.int64)
    return rows, rows
