"""A symmetry and a ``w`` for a map: the symmetry is tested, ``w`` follows the paper's advice."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cryoorient.particles import DensityMap

# From large to small, so that the largest group that holds is taken.
CANDIDATES = ("I1", "I2", "O", "T", *(f"D{n}" for n in range(8, 1, -1)),
              *(f"C{n}" for n in range(8, 1, -1)))  # fmt: skip
TEST_BOX = 32
MIN_AGREEMENT = 0.95
# Lian et al. (2022): at least 0.6 for asymmetric particles, at most 0.4 for symmetric ones.
W_ASYMMETRIC, W_SYMMETRIC = 0.8, 0.4


@dataclass(frozen=True)
class Suggestion:
    """What to set, and why."""

    symmetry: str
    w: float
    reason: str


def suggest(density: DensityMap) -> Suggestion:
    """Test a map for symmetry on RELION's axes at low resolution; torch loads here."""
    from napari_cryoorient.simulate import symmetry_agreement, working_map

    small = working_map(density, TEST_BOX) if density.box > TEST_BOX else density
    best = ("C1", 0.0)
    for name in CANDIDATES:
        agreement = symmetry_agreement(small, name)
        if agreement >= MIN_AGREEMENT:
            return Suggestion(
                name,
                W_SYMMETRIC,
                f"The map agrees with itself under {name} (correlation {agreement:.3f}). For "
                f"symmetric particles the paper advises w of at most 0.4.",
            )
        best = max(best, (name, agreement), key=lambda pair: pair[1])
    return Suggestion(
        "C1",
        W_ASYMMETRIC,
        f"No symmetry found on RELION's axes (the nearest, {best[0]}, correlates by "
        f"{best[1]:.2f}). For asymmetric particles the paper advises w of at least 0.6.",
    )
