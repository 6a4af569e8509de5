"""Held-out particles, and how well a network does on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.geometry.symmetry import symmetric_distance_deg
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.particles import Integers
from napari_cryoorient.stack.batches import Batch, ParticleBatches
from napari_cryoorient.training.recipe import Recipe
from napari_cryoorient.training.report import Preview


class HeldOut(Protocol):
    """Particles that the network does not learn from."""

    @property
    def rows(self) -> Integers:
        """Their rows (n,) in the STAR file; -1 for images made from the map."""
        ...

    def batch(self, start: int, stop: int) -> Batch:
        """Return particles ``start`` to ``stop``."""
        ...


@dataclass(frozen=True)
class HeldOutParticles:
    """Test particles of a stack with known poses."""

    batches: ParticleBatches
    rows: Integers

    def batch(self, start: int, stop: int) -> Batch:
        """Return particles ``start`` to ``stop``."""
        return self.batches.batch(self.rows[start:stop])


class FixedBatch:
    """Test images made once from the map, where the stack has no poses to test against."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.rows: Integers = np.full(len(batch), -1, dtype=np.int64)

    def batch(self, start: int, stop: int) -> Batch:
        """Return images ``start`` to ``stop``."""
        return self._batch[start:stop]


@dataclass(frozen=True)
class Scores:
    """Figures over ``n_images``: equation 16 per pixel, relative, and medians of pose errors."""

    rmse: float
    relative_rmse: float
    angular_error_deg: float
    shift_error_angstrom: float | None
    n_images: int


class ScoreSums:
    """Adds up what ``Scores`` needs, batch by batch."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._squared = 0.0
        self._variance = 0.0
        self._n_pixels = 0
        self._angles: list[Tensor] = []
        self._shifts: list[Tensor] = []

    @torch.no_grad()
    def add(self, prediction: PosePrediction, batch: Batch) -> tuple[Tensor, Tensor]:
        """Add a batch; both projections are at the true shift.  Return (true, predicted)."""
        true = self._recipe.project(batch.rotations, batch.shifts_angstrom)
        predicted = self._recipe.project(prediction.rotations, batch.shifts_angstrom)
        self._squared += float((predicted - true).square().sum())
        self._variance += float(true.flatten(1).var(dim=1, correction=0).sum()) * true[0].numel()
        self._n_pixels += true.numel()
        self._angles.append(
            symmetric_distance_deg(prediction.rotations, batch.rotations, self._recipe.group)
        )
        if prediction.shifts_angstrom is not None:
            self._shifts.append((prediction.shifts_angstrom - batch.shifts_angstrom).norm(dim=-1))
        return true, predicted

    def scores(self) -> Scores:
        """Return the figures over everything added."""
        angles = torch.cat(self._angles)
        spread = math.sqrt(self._variance / self._n_pixels)
        rmse = math.sqrt(self._squared / self._n_pixels)
        return Scores(
            rmse=rmse,
            relative_rmse=rmse / spread if spread > 0.0 else math.nan,
            angular_error_deg=float(angles.median()),
            shift_error_angstrom=float(torch.cat(self._shifts).median()) if self._shifts else None,
            n_images=len(angles),
        )


@torch.no_grad()
def evaluate(
    recipe: Recipe,
    test_set: HeldOut,
    n_images: int,
    should_stop: Callable[[], bool],
) -> Scores | None:
    """Score the first ``n_images`` of the test set; None when asked to stop on the way."""
    network = recipe.evaluation_network.eval()
    sums = ScoreSums(recipe)
    n_images = min(n_images, len(test_set.rows))
    for start in range(0, n_images, recipe.chunk_size):
        if should_stop():
            return None
        batch = test_set.batch(start, min(start + recipe.chunk_size, n_images))
        sums.add(network(batch.images, batch.ctf), batch)
    return sums.scores()


@torch.no_grad()
def preview(recipe: Recipe, test_set: HeldOut, step: int, n_images: int) -> Preview:
    """Show the first ``n_images`` of the test set as the network sees them."""
    batch = test_set.batch(0, min(n_images, len(test_set.rows)))
    prediction: PosePrediction = recipe.evaluation_network.eval()(batch.images, batch.ctf)
    shifts = prediction.shifts_angstrom
    if shifts is None:  # the network takes shifts as known
        prediction = replace(prediction, shifts_angstrom=batch.shifts_angstrom)
        shifts = batch.shifts_angstrom
    true = recipe.project(batch.rotations, batch.shifts_angstrom)
    predicted = recipe.project(prediction.rotations, shifts)
    error = symmetric_distance_deg(prediction.rotations, batch.rotations, recipe.group)

    def double(tensor: Tensor) -> np.ndarray:
        return np.asarray(tensor.cpu().numpy(), dtype=np.float64)

    return Preview(
        step=step,
        rows=test_set.rows[: len(batch)],
        input=batch.images.cpu().numpy(),
        true_projection=true.cpu().numpy(),
        predicted_projection=predicted.cpu().numpy(),
        true_rotations=double(batch.rotations),
        predicted_rotations=double(prediction.rotations),
        true_shifts_angstrom=double(batch.shifts_angstrom),
        predicted_shifts_angstrom=double(shifts),
        angular_error_deg=double(error),
    )
