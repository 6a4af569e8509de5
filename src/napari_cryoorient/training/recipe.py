"""What a preset supplies to the training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from napari_cryoorient.network.output import PosePrediction


@dataclass(frozen=True)
class Batch:
    """``b`` images with the poses to learn, at the working box N.

    ``images`` (b, N, N); ``ctf`` (b, N, N // 2 + 1) or None; ``rotations`` (b, 3, 3);
    ``shifts_angstrom`` (b, 2), where the objects lie.
    """

    images: Tensor
    ctf: Tensor | None
    rotations: Tensor
    shifts_angstrom: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice) -> Batch:
        return Batch(
            self.images[index],
            None if self.ctf is None else self.ctf[index],
            self.rotations[index],
            self.shifts_angstrom[index],
        )


@dataclass(frozen=True)
class LossTerms:
    """The objective and its two parts (equations 12, 14, 15), each a scalar tensor.

    A recipe whose objective has further terms puts them into ``total``.
    """

    total: Tensor
    qd: Tensor
    reprojection: Tensor


class Recipe(Protocol):
    """A network, how its batches are made, and how it is optimised.

    ``project(rotations, shifts_angstrom)`` gives the simplified projections (no CTF, no noise)
    (b, N, N) of the working map in its own grey scale; the loop reports RMSE and previews with it.
    ``group`` (g, 3, 3) is the symmetry.  ``n_steps`` and ``batch_size`` may change while training:
    the loop reads ``n_steps`` before each step and writes ``batch_size`` when memory runs out.
    ``batch(step)`` must depend on the step and on the state in ``state_dict`` alone.
    """

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler | None
    n_steps: int
    batch_size: int
    max_gradient_norm: float | None
    group: Tensor
    device: torch.device
    notes: tuple[str, ...]
    project: Callable[[Tensor, Tensor | None], Tensor]

    @property
    def evaluation_network(self) -> torch.nn.Module:
        """The network to test and to save: the trained one, or an average of its weights."""
        ...

    def batch(self, step: int) -> Batch:
        """Make the batch of ``step`` (from 0), ``batch_size`` images or fewer."""
        ...

    def losses(self, prediction: PosePrediction, batch: Batch, w: float) -> LossTerms:
        """Weigh the prediction against the truth."""
        ...

    def after_step(self, step: int) -> None:
        """Do what follows an optimiser step, such as averaging weights."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed run needs to go on alike: plain values and tensors only."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` gave."""
        ...
