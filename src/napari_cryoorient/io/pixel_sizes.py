"""Whether pixel sizes can be those of electron micrographs, in angstrom."""

from __future__ import annotations

from pathlib import Path

from napari_cryoorient.errors import InputError

_POSSIBLE_ANGSTROM = 0.01, 1000.0
_USUAL_ANGSTROM = 0.2, 100.0
# From, to, and what a size between them is likely to mean.
_LIKELY = (
    (1e-11, 1e-8, "metres? Multiply by 1e10"),
    (1e-8, 0.2, "nanometres? Multiply by 10"),
    (100.0, 1e4, "picometres? Divide by 100"),
)


def check_pixel_size(
    size_angstrom: float, path: Path | str | None, notes: list[str], *, of: str = "pixel"
) -> None:
    """Note a size that is not usual; raise InputError for one that no micrograph has."""
    low, high = _POSSIBLE_ANGSTROM
    likely = next((f": {words}" for a, b, words in _LIKELY if a <= size_angstrom < b), "")
    if not low <= size_angstrom <= high:
        raise InputError(
            f"{path} has a {of} size of {size_angstrom:g} A, which no micrograph has{likely}."
        )
    low, high = _USUAL_ANGSTROM
    if not low <= size_angstrom <= high:
        notes.append(f"the {of} size of {size_angstrom:g} A is not usual{likely}")
