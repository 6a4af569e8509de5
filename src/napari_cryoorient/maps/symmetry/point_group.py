"""A point group that a map was found to have: where its axes lie, in words too."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from napari_cryoorient.geometry.rotations import matrix_to_rotation_vector
from napari_cryoorient.geometry.symmetry import symmetry_matrices


@dataclass(frozen=True)
class DetectedSymmetry:
    """A point group with where it lies.

    ``agreement`` is the lowest correlation of the map with itself over the group.  ``from_relion``
    ``(3, 3)`` turns RELION's axes of the group into the map's: its rotations are ``Q G Q^T``, about
    ``centre_angstrom`` ``(3,)`` (x, y, z), zero where they go through the box's centre.
    ``is_on_relion_axes`` tells whether they are RELION's own, there.  ``pseudo`` is a larger group
    that the map has but for a part of it, by ``pseudo_agreement`` in the whole.
    """

    name: str
    agreement: float
    from_relion: Tensor
    is_on_relion_axes: bool
    centre_angstrom: Tensor = field(default_factory=lambda: torch.zeros(3, dtype=torch.float64))
    pseudo: str | None = None
    pseudo_agreement: float = 0.0

    def onto_relion(self) -> tuple[Tensor, Tensor]:
        """Return the rotation ``(3, 3)`` and the shift ``(3,)`` in A that bring the map there."""
        return self.from_relion.T, -self.from_relion.T @ self.centre_angstrom

    def describe(self) -> str:
        """Say it in a sentence, the main axis named."""
        if self.pseudo is None:
            return self._describe()
        return (
            f"{self._describe()} It is nearly {self.pseudo} ({self.pseudo_agreement:.2f} in the "
            f"whole), but a part of it is not: pseudo-symmetry. Poses of --symmetry {self.pseudo} "
            "would be wrong."
        )

    def _describe(self) -> str:
        if self.name == "C1":
            return "C1: the map has no rotational symmetry."
        sure = f"{self.name} (the map agrees with itself turned by {self.agreement:.2f})"
        if self.is_on_relion_axes:
            return f"{sure}, on RELION's axes."
        axis = main_axis(self.name)
        direction = self.from_relion @ axis
        faults = []
        if name_of_axis(direction) != name_of_axis(axis) or not self._is_off_centre:
            faults.append(
                f"the {main_fold(self.name)}-fold that RELION has along {name_of_axis(axis)} lies "
                f"along {name_of_axis(direction)}"
            )
        if self._is_off_centre:
            x, y, z = self.centre_angstrom.tolist()
            met = "go through" if self.name.startswith("C") else "meet in"
            faults.append(f"its axes {met} ({x:.1f}, {y:.1f}, {z:.1f}) A from the box's centre")
        return (
            f"{sure}, but not on RELION's axes: {' and '.join(faults)}. Turn and move the map (-o) "
            f"before --symmetry {self.name} is used."
        )

    @property
    def _is_off_centre(self) -> bool:
        return bool(self.centre_angstrom.any())


def name_of_axis(direction: Tensor) -> str:
    """Name a direction: x, y, z, or its three components."""
    for index, name in enumerate("xyz"):
        if abs(float(direction[index])) > math.cos(math.radians(2)):
            return name
    x, y, z = (float(part) for part in direction)
    return f"({x:.2f}, {y:.2f}, {z:.2f})"


def axes_of(name: str) -> list[tuple[int, Tensor]]:
    """Return the axes of a group as (fold, unit direction), those of the highest fold first."""
    group = symmetry_matrices(name)
    vectors = matrix_to_rotation_vector(group[1:])
    axes: list[tuple[int, Tensor]] = []
    for angle, vector in sorted(
        ((float(v.norm()), v / v.norm()) for v in vectors), key=lambda item: item[0]
    ):
        if all(abs(float(vector @ known)) < 0.999 for _, known in axes):
            axes.append((round(2 * math.pi / angle), vector))
    return sorted(axes, key=lambda item: -item[0])


def main_fold(name: str) -> int:
    """Return the highest fold of a group."""
    return axes_of(name)[0][0]


def main_axis(name: str) -> Tensor:
    """Return RELION's direction of an axis of the highest fold."""
    return axes_of(name)[0][1]
