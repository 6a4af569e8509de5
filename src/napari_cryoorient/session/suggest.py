"""A symmetry and a ``w`` for a map: the symmetry is found, ``w`` follows the paper's advice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cryoorient.particles import DensityMap
from napari_cryoorient.settings import LEAST_W_ASYMMETRIC, MOST_W_SYMMETRIC

if TYPE_CHECKING:
    from napari_cryoorient.maps.symmetry import DetectedSymmetry

# Within the advice; the first is also what a run starts with.
W_ASYMMETRIC, W_SYMMETRIC = 0.8, MOST_W_SYMMETRIC


@dataclass(frozen=True)
class Suggestion:
    """What to set, and why; ``warning`` says what stands in the way of the map's own symmetry."""

    symmetry: str
    w: float
    reason: str
    warning: str = ""


_FOUND: dict[str, DetectedSymmetry] = {}
_REMEMBERED = 8


def find_symmetry(density: DensityMap) -> DetectedSymmetry:
    """Find the point group of a map, once for each map; takes seconds, and torch loads here."""
    from napari_cryoorient.maps.symmetry import detect_symmetry

    key = hashlib.sha1(density.voxels.tobytes(), usedforsecurity=False).hexdigest()
    if key not in _FOUND:
        found = detect_symmetry(density)
        for old in list(_FOUND)[: 1 - _REMEMBERED]:
            del _FOUND[old]
        _FOUND[key] = found
    return _FOUND[key]


def symmetry_words(found: DetectedSymmetry) -> str:
    """Say in a few words what group a map has and whether its axes are RELION's."""
    if found.name == "C1":
        return "none found (C1)"
    where = "on" if found.is_on_relion_axes else "not on"
    return f"{found.name}, {where} RELION's axes (agreement {found.agreement:.2f})"


def suggest(density: DensityMap) -> Suggestion:
    """Find the point group of a map and where its axes lie; torch loads here.

    A group whose axes are not RELION's cannot be used before the map is turned: C1 is set then.
    """
    found = find_symmetry(density)
    if found.name == "C1":
        return Suggestion(
            "C1",
            W_ASYMMETRIC,
            f"{found.describe()} For asymmetric particles the paper advises w of at least "
            f"{LEAST_W_ASYMMETRIC}.",
        )
    advice = f"For symmetric particles the paper advises w of at most {MOST_W_SYMMETRIC}."
    if found.is_on_relion_axes:
        words = f"{symmetry_words(found)}." if found.pseudo is None else found.describe()
        return Suggestion(found.name, W_SYMMETRIC, f"{words} {advice}")
    return Suggestion("C1", W_SYMMETRIC, f"{found.describe()} {advice}", warning=found.describe())
