"""Two sets of poses of the same particles: how far apart they are once their frames are one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_cryoorient.diagnosis.frames import Frame, find_frame
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.healpix import centres, pixel_of
from napari_cryoorient.geometry.rotation_arrays import angular_distance_deg, nearest_equivalent
from napari_cryoorient.particles import Floats, Integers, Poses

if TYPE_CHECKING:
    from napari_cryoorient.diagnosis.preference import Preference

SHARES_DEG = (1.0, 3.0, 5.0, 10.0)
# 192 bins of views, 14.7 degrees wide.
VIEWS_NSIDE = 4
_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class Groups:
    """Pairs by what they have in common: ``names`` ``(m,)`` and which each pair is of ``(k,)``."""

    names: tuple[str, ...]
    group_of: Integers

    def __getitem__(self, rows: Integers) -> Groups:
        return Groups(self.names, self.group_of[rows])


@dataclass(frozen=True)
class GroupFigures:
    """Number of pairs, medians and the share under 5 degrees of each group; all ``(m,)``."""

    n: Integers
    median_angle_deg: Floats
    median_shift_angstrom: Floats
    share_under_5_deg: Floats


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Differences of each pair of poses ``(k,)``, what is common to all taken off.

    ``rows`` and ``other_rows`` ``(k,)`` are the pairs' places in the two sets.  ``a`` and ``b`` are
    their poses in the frame of map A, ``b`` at the equivalent nearest to ``a``.  Angles are the
    smallest over the symmetry.  ``is_other_copy`` ``(k,)`` marks pairs at another symmetry copy
    than most.
    """

    frame: Frame
    rows: Integers
    other_rows: Integers
    a: Poses
    b: Poses
    angles_deg: Floats
    shifts_angstrom: Floats
    is_other_copy: NDArray[np.bool_]
    micrographs: Groups | None = None
    preference: Preference | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def median_angle_deg(self) -> float:
        """Median angle between the poses."""
        return float(np.median(self.angles_deg))

    @property
    def median_shift_angstrom(self) -> float:
        """Median length of the difference of the shifts."""
        return float(np.median(self.shifts_angstrom))

    def share_under(self, angle_deg: float) -> float:
        """Return the part of the pairs whose poses differ by less than an angle."""
        return float(np.mean(self.angles_deg < angle_deg))

    def agreeing(self, within_deg: float) -> NDArray[np.bool_]:
        """Tell which pairs ``(k,)`` differ by no more than an angle."""
        return np.asarray(self.angles_deg <= within_deg)

    def by_view(self) -> tuple[Floats, GroupFigures]:
        """Return viewing directions ``(m, 3)`` of map A, and the figures of the pairs around each.

        Directions that no particle has are left out.
        """
        views = pixel_of(self.a.rotations[:, 2], VIEWS_NSIDE)
        used, group_of = np.unique(views, return_inverse=True)
        return centres(VIEWS_NSIDE)[used], self._figures(group_of.ravel(), len(used))

    def by_micrograph(self) -> tuple[tuple[str, ...], GroupFigures] | None:
        """Return micrographs ``(m,)`` and their figures; None where the file names none."""
        if self.micrographs is None:
            return None
        used, group_of = np.unique(self.micrographs.group_of, return_inverse=True)
        names = tuple(self.micrographs.names[i] for i in used)
        return names, self._figures(group_of.ravel(), len(names))

    def _figures(self, group_of: Integers, n_groups: int) -> GroupFigures:
        counts = np.bincount(group_of, minlength=n_groups)
        under = np.bincount(group_of, self.angles_deg < 5, minlength=n_groups)
        return GroupFigures(
            counts,
            _medians(self.angles_deg, group_of, counts),
            _medians(self.shifts_angstrom, group_of, counts),
            under / np.maximum(counts, 1),
        )

    def with_preference(self, preference: Preference) -> Comparison:
        """Return the same with which pose each particle prefers."""
        return replace(self, preference=preference)

    def summary(self) -> dict[str, Any]:
        """Return the figures by name, as ``compare --json`` does."""
        shares = {f"share_under_{angle:g}_deg": self.share_under(angle) for angle in SHARES_DEG}
        figures: dict[str, Any] = {
            "n": len(self),
            "median_angle_deg": self.median_angle_deg,
            "median_shift_angstrom": self.median_shift_angstrom,
            **shares,
            "share_at_other_copies": float(np.mean(self.is_other_copy)),
            "frame": self.frame.as_json(),
        }
        if self.preference is not None:
            figures["preference"] = self.preference.summary()
        return figures

    def __repr__(self) -> str:
        return (
            f"Comparison({len(self)} pairs, median {self.median_angle_deg:.2f} degrees and "
            f"{self.median_shift_angstrom:.2f} A, {self.share_under(5):.0%} under 5 degrees)"
        )


def compare_poses(
    a: Poses,
    b: Poses,
    group: ArrayLike,
    *,
    rows: Integers | None = None,
    other_rows: Integers | None = None,
    micrographs: Groups | None = None,
) -> Comparison:
    """Compare poses pair by pair, frames brought together first.

    ``group`` ``(g, 3, 3)`` is the symmetry of map A; ``rows`` and ``other_rows`` are the pairs'
    places in the sets they come from.  Raises InputError where there is no pair.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} poses against {len(b)}")
    if not len(a):
        raise InputError("There are no poses to compare.")
    group = np.asarray(group)
    frame = find_frame(a, b, group)
    moved = frame.onto_first(b) if frame.is_clear else b
    angles, nearest = np.empty(len(a)), np.empty_like(a.rotations)
    element = np.empty(len(a), dtype=np.int64)
    for start in range(0, len(a), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        first, second = a.rotations[part], moved.rotations[part]
        near = nearest_equivalent(second, first, group)
        angles[part] = angular_distance_deg(near, first)
        nearest[part] = near
        # near = second G^T, so that second^T near is G^T: the element of the largest trace.
        traces = (np.swapaxes(second, 1, 2) @ near).reshape(-1, 9) @ group.reshape(-1, 9).T
        element[part] = traces.argmax(1)
    is_copy = element != np.bincount(element).argmax()
    shifts = np.linalg.norm(a.shifts_angstrom - moved.shifts_angstrom, axis=1)
    everything = np.arange(len(a), dtype=np.int64)
    return Comparison(
        frame,
        everything if rows is None else rows,
        everything if other_rows is None else other_rows,
        a,
        Poses(nearest, moved.shifts_angstrom),
        angles,
        shifts,
        is_copy,
        micrographs,
    )


def _medians(values: Floats, group_of: Integers, counts: Integers) -> Floats:
    """Return the median of the values ``(k,)`` of each group; not a number where it has none."""
    order = np.lexsort((values, group_of))
    ordered = values[order]
    first = np.cumsum(counts) - counts
    low = np.clip(first + (counts - 1) // 2, 0, len(values) - 1)
    high = np.clip(first + counts // 2, 0, len(values) - 1)
    return np.where(counts > 0, (ordered[low] + ordered[high]) / 2, np.nan)
