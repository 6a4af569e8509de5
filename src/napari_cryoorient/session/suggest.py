"""A symmetry and a ``w`` for a map: the symmetry is found, ``w`` follows the paper's advice."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cryoorient.particles import DensityMap

# Lian et al. (2022): at least 0.6 for asymmetric particles, at most 0.4 for symmetric ones.
W_ASYMMETRIC, W_SYMMETRIC = 0.8, 0.4


@dataclass(frozen=True)
class Suggestion:
    """What to set, and why; ``warning`` says what stands in the way of the map's own symmetry."""

    symmetry: str
    w: float
    reason: str
    warning: str = ""


def suggest(density: DensityMap) -> Suggestion:
    """Find the point group of a map and where its axes lie; torch loads here.

    A group whose axes are not RELION's cannot be used before the map is turned: C1 is set then.
    """
    from napari_cryoorient.symmetry_detection import detect_symmetry

    found = detect_symmetry(density)
    if found.name == "C1":
        return Suggestion(
            "C1",
            W_ASYMMETRIC,
            f"{found.describe()} For asymmetric particles the paper advises w of at least 0.6.",
        )
    advice = "For symmetric particles the paper advises w of at most 0.4."
    if found.is_on_relion_axes:
        return Suggestion(found.name, W_SYMMETRIC, f"{found.describe()} {advice}")
    return Suggestion("C1", W_SYMMETRIC, f"{found.describe()} {advice}", warning=found.describe())
