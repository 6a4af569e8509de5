"""What every network returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class PosePrediction:
    """Poses a network proposes for ``b`` images.

    ``rotations`` (b, 3, 3) is RELION's matrix A; ``shifts_angstrom`` (b, 2) is where the object
    lies (x, y); ``confidence`` (b,) grows with certainty.  ``extra`` carries what a loss wants,
    such as ``"quaternion"`` (b, 4) or ``"log_probability"``.
    """

    rotations: Tensor
    shifts_angstrom: Tensor | None = None
    confidence: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)

    def detach(self) -> PosePrediction:
        """Return the poses cut from the graph, without ``extra``."""
        return PosePrediction(
            self.rotations.detach(),
            None if self.shifts_angstrom is None else self.shifts_angstrom.detach(),
            None if self.confidence is None else self.confidence.detach(),
        )


def concatenate_predictions(parts: list[PosePrediction]) -> PosePrediction:
    """Join predictions along the batch; ``extra`` is dropped."""

    def join(tensors: list[Tensor | None]) -> Tensor | None:
        present = [t for t in tensors if t is not None]
        return torch.cat(present) if len(present) == len(tensors) else None

    return PosePrediction(
        torch.cat([part.rotations for part in parts]),
        join([part.shifts_angstrom for part in parts]),
        join([part.confidence for part in parts]),
    )
