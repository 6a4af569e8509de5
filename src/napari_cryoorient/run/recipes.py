"""The recipe of a preset, and the particles it learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Integers, ParticleSet
from napari_cryoorient.run.inputs import RunInputs
from napari_cryoorient.run.simulated_labels import simulated_like
from napari_cryoorient.training.paper import paper_recipe
from napari_cryoorient.training.recipe import Recipe


@dataclass(frozen=True)
class Labels:
    """Particles with the poses to learn and to test on: the stack itself, or made from the map."""

    particles: ParticleSet


def make_recipe(
    inputs: RunInputs,
    config: TrainConfig,
    device: torch.device,
    train_rows: Integers,
    note: Callable[[str], None],
) -> tuple[Recipe, Labels]:
    """Make the recipe that ``config`` asks for; raises InputError where poses are wanting."""
    wanted = config.labels or ("star" if inputs.particles.poses is not None else "simulated")
    if wanted == "search":
        raise InputError(
            "Labels from a global search are not part of this version: give a STAR file with "
            "poses, or use --labels simulated."
        )
    if wanted == "star" and inputs.particles.poses is None:
        raise InputError(
            "The STAR file has no poses to learn from: use --labels simulated to learn from "
            "projections of the map, or the fast preset."
        )
    labels = Labels(inputs.particles)
    if config.preset == "paper":
        if wanted == "simulated":
            labels = Labels(simulated_like(inputs, seed=config.seed))
            note(
                f"Labels: {len(labels.particles)} images made from the map, with the stack's CTF "
                "values and noise; the test figures are on such images, not on the stack."
            )
        recipe: Recipe = paper_recipe(inputs.density, labels.particles, config, device, train_rows)
    else:
        from napari_cryoorient.training.fast import fast_recipe

        recipe = fast_recipe(inputs.density, labels.particles, config, device, train_rows)
    for sentence in recipe.notes:
        note(sentence)
    return recipe, labels
