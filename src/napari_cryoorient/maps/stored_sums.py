"""What slices add up to, laid by in a file: a map is solved from some rows of it at a time."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_cryoorient.io.long_arrays import let_go
from napari_cryoorient.io.room import Room
from napari_cryoorient.maps.insertion import SliceSums, hermitian_rows

WHOLE = slice(None)


class Sums(Protocol):
    """What a map is solved from: ``SliceSums``, stored ones, or several added up."""

    box: int
    padding: int
    max_radius: float
    edge: int

    def hermitian(self, rows: slice = WHOLE) -> Tensor:
        """Return rows y ``(3, 2 e + 1, r, e + 1)`` of the Hermitian sums."""


class StoredSums:
    """The sums of ``SliceSums`` of this box, mapped from a file; rows are given on ``device``."""

    def __init__(
        self,
        array: NDArray[np.float32],
        box: int,
        max_radius: float | None = None,
        padding: int = 2,
        device: torch.device | None = None,
    ) -> None:
        self.box, self.padding = box, padding
        self.max_radius = box / 2 if max_radius is None else min(float(max_radius), box / 2)
        self.edge = array.shape[-1] - 1
        self._array, self._device = array, device
        self._mirror: Tensor | None = None

    @classmethod
    def of(cls, sums: SliceSums, room: Room) -> StoredSums:
        """Lay sums by."""
        stored = room.laid_by(sums.sums)
        return cls(stored, sums.box, sums.max_radius, sums.padding)

    def hermitian(self, rows: slice = WHOLE) -> Tensor:
        """Return rows of the Hermitian sums, read now."""
        if self._mirror is None:  # one look at all of the file, not one for each slab
            self._mirror = torch.from_numpy(np.stack([self._plane_x0(part) for part in range(3)]))
        sums = torch.from_numpy(np.array(self._array[:, :, rows]))
        let_go(self._array)
        return hermitian_rows(sums, self._mirror, rows).to(self._device)

    def _plane_x0(self, part: int) -> NDArray[np.float32]:
        plane = np.array(self._array[part, ..., 0])
        let_go(self._array)
        return plane


class AddedUp:
    """Several sums of one shape, added up as they are asked for."""

    def __init__(self, parts: tuple[Sums, ...]) -> None:
        first = parts[0]
        self.box, self.padding = first.box, first.padding
        self.max_radius, self.edge = first.max_radius, first.edge
        self._parts = parts

    def hermitian(self, rows: slice = WHOLE) -> Tensor:
        """Return rows of the Hermitian sums."""
        total = self._parts[0].hermitian(rows)
        for part in self._parts[1:]:
            total += part.hermitian(rows).to(total.device)
        return total
