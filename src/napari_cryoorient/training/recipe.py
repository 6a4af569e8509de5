"""What a preset supplies to the training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.stack.batches import Batch
from napari_cryoorient.training.ranks import Ranks

__all__ = ["Batch", "LossTerms", "Recipe"]


@dataclass(frozen=True)
class LossTerms:
    """The objective and its two parts (equations 12, 14, 15), each a scalar tensor.

    Each is a mean over the images given, so that parts of a batch can be weighed and summed.
    A recipe whose objective has further terms puts them into ``total``.
    """

    total: Tensor
    qd: Tensor
    reprojection: Tensor


class Recipe(Protocol):
    """A network, how its batches are made, and how it is optimised.

    ``project`` gives the simplified projections (no CTF, no noise) of the working map in its own
    grey scale; the loop reports RMSE and makes previews with it.
    ``group`` (g, 3, 3) is the symmetry, on the device, float32.  ``n_steps`` may change while
    training: the loop reads it before each step.  ``chunk_size`` is the number of images that go
    through the network at once: gradients of the chunks of a batch are summed, and the loop halves
    it when memory runs out (``batch_size`` too, should making the batch be what fills the memory).
    ``allows_bfloat16`` tells whether the network may run under bfloat16 autocast, and
    ``is_recordable`` whether a step does the same operations on every batch (and its optimiser is
    capturable on a GPU).  ``ranks`` are the processes that share the work.  ``batch(step)``
    must depend on the step and on the state in ``state_dict`` alone.
    """

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler | None
    n_steps: int
    batch_size: int
    chunk_size: int
    max_gradient_norm: float | None
    allows_bfloat16: bool
    is_recordable: bool
    group: Tensor
    device: torch.device
    notes: tuple[str, ...]
    ranks: Ranks

    @property
    def evaluation_network(self) -> torch.nn.Module:
        """The network to test and to save: the trained one, or an average of its weights."""
        ...

    def project(self, rotations: Tensor, shifts_angstrom: Tensor | None) -> Tensor:
        """Return simplified projections (b, N, N) at rotations (b, 3, 3) and shifts (b, 2)."""
        ...

    def batch(self, step: int) -> Batch:
        """Make this process's part of the batch of ``step`` (from 0), all of it when alone.

        A batch is ``batch_size`` images or fewer, the same however many processes share it.
        """
        ...

    def losses(self, prediction: PosePrediction, batch: Batch, w: float) -> LossTerms:
        """Weigh the prediction against the truth."""
        ...

    def after_step(self, step: int) -> None:
        """Do what follows an optimiser step, such as averaging weights."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed run needs beside network, optimiser and scheduler.

        Plain values and tensors only: the checkpoint loads with ``weights_only=True``.
        """
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` gave."""
        ...
