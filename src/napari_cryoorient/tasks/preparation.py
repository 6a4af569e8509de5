"""What a training run fixes once its recipe is made: tests, precision, what checkpoints say."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from napari_cryoorient.config import PRESETS, TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Integers, ParticleSet
from napari_cryoorient.stack.batches import ParticleBatches
from napari_cryoorient.stack.pairing import PairedInputs
from napari_cryoorient.tasks.recipes import Labels
from napari_cryoorient.tasks.simulated_labels import simulated_like
from napari_cryoorient.training.held_out import FixedBatch, HeldOut, HeldOutParticles
from napari_cryoorient.training.precision import choose_precision
from napari_cryoorient.training.recipe import Recipe
from napari_cryoorient.training.split import split_of

N_SIMULATED_TESTS = 192


def usable_split(
    particles: ParticleSet, config: TrainConfig, name: str
) -> tuple[Integers, Integers]:
    """Split the particles whose images tell something into rows to learn from and to test on.

    ``name`` is what messages call them.  Raises InputError for less than two.
    """
    usable = particles.usable_rows()
    if len(usable) < 2:
        have = "one particle" if len(particles) == 1 else "one usable image"
        raise InputError(f"{name} holds {have}: training wants at least 2.")
    train, test = split_of(len(usable), config)
    return usable[train], usable[test]


def held_out_of(
    inputs: PairedInputs,
    labels: Labels,
    test_rows: Integers,
    *,
    box: int,
    device: torch.device,
    seed: int,
) -> HeldOut:
    """Test on particles with poses; where there are none, on images made like them."""
    particles = labels.particles
    if particles.poses is None:
        particles = simulated_like(inputs, seed=seed)
    if labels.test_rows is not None:
        test_rows = labels.test_rows
    rows = np.random.default_rng(seed).permutation(test_rows)
    held_out = HeldOutParticles(ParticleBatches(particles, box, device), rows)
    if particles is inputs.particles or labels.test_rows is not None:
        return held_out
    return FixedBatch(held_out.batch(0, N_SIMULATED_TESTS))


def precision_of(config: TrainConfig, recipe: Recipe, device: torch.device) -> tuple[str, str]:
    """Return the precision to train in, and why."""
    return choose_precision(config.precision, device, allows_bfloat16=recipe.allows_bfloat16)


def prediction_facts(config: TrainConfig, inputs: PairedInputs) -> dict[str, Any]:
    """Return what a checkpoint says beside its weights, for whoever predicts with them."""
    particles = inputs.particles
    return {
        "config": config.model_dump(),
        "box": config.box,
        "contrast_negated": inputs.is_negated,
        "field_of_view_angstrom": particles.pixel_size_angstrom * particles.box,
    }


def loop_budget_s(config: TrainConfig) -> float | None:
    """Return when the loop ends whatever the step; None: the recipe fits its schedule to it."""
    if config.minutes is None or PRESETS[config.preset].fits_minutes:
        return None
    return config.minutes * 60
