"""A training step recorded on a GPU and replayed: the host then starts it by one call.

A step of a small batch is hundreds of operations, each of which costs the host longer to start
than the GPU to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.stack.batches import Batch
from napari_cryoorient.training.recipe import Recipe

# Steps taken one by one with the same settings before one is recorded: w may be moving.
STEPS_BEFORE = 8
TakeStep = Callable[[Batch, float], tuple[Tensor, PosePrediction]]


@dataclass(frozen=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    batch: Batch
    figures: Tensor
    prediction: PosePrediction


class RecordedSteps:
    """Replays ``take`` where w, learning rate and batch are of the kind that was recorded.

    ``take`` makes a whole step of a batch at w and returns its figures and predictions; it must do
    the same operations on every batch.  The optimiser must be capturable.  Without CUDA, in
    several processes, and for a recipe that is not ``is_recordable``, each is taken as it is.
    """

    def __init__(self, recipe: Recipe, take: TakeStep) -> None:
        self._recipe, self._take = recipe, take
        on_a_gpu = recipe.device.type == "cuda"
        self._is_on = recipe.is_recordable and on_a_gpu and recipe.ranks.size == 1
        self._settings: Any = None
        self._n_same = 0
        self._recording: _Recording | None = None

    def step(self, batch: Batch, w: float) -> tuple[Tensor, PosePrediction]:
        """Make a step; what it returns holds until the next."""
        if not self._is_on or self._recipe.chunk_size < len(batch):
            return self._take(batch, w)
        rates = tuple(float(group["lr"]) for group in self._recipe.optimizer.param_groups)
        settings = (w, rates, len(batch), batch.ctf is None)
        if settings != self._settings:
            self._settings, self._n_same, self._recording = settings, 0, None
        self._n_same += 1
        if self._recording is None and self._n_same > STEPS_BEFORE:
            self._record(batch, w)
        if self._recording is None:
            return self._take(batch, w)
        made = self._recording
        for name in ("images", "ctf", "rotations", "shifts_angstrom"):
            value: Tensor | None = getattr(batch, name)
            if value is not None:
                getattr(made.batch, name).copy_(value)
        made.graph.replay()
        return made.figures.clone(), made.prediction

    def _record(self, batch: Batch, w: float) -> None:
        """Record a step without taking it; where that cannot be done, steps stay as they are."""
        ctf = None if batch.ctf is None else batch.ctf.clone()
        still = Batch(
            batch.images.clone(), ctf, batch.rotations.clone(), batch.shifts_angstrom.clone()
        )
        self._recipe.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                figures, prediction = self._take(still, w)
        except RuntimeError:  # memory, or an operation that no graph holds
            self._is_on = False
            torch.cuda.synchronize()
        else:
            self._recording = _Recording(graph, still, figures, prediction)
