"""The recipe of a preset, and the particles it learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from napari_cryoorient.config import PRESETS, Preset, TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Integers, ParticleSet
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.stack.pairing import PairedInputs
from napari_cryoorient.tasks.searched_labels import N_TRAIN, searched_labels
from napari_cryoorient.tasks.simulated_labels import simulated_like
from napari_cryoorient.training.fine_tuning import EarlierNetwork
from napari_cryoorient.training.paper import paper_recipe
from napari_cryoorient.training.ranks import ALONE, Ranks
from napari_cryoorient.training.recipe import Recipe


@dataclass(frozen=True)
class Labels:
    """Particles with the poses to learn and to test on: the stack itself, or made from the map.

    ``test_rows`` are those of the stack that have a pose to test on, None where all have.
    """

    particles: ParticleSet
    test_rows: Integers | None = None


@dataclass(frozen=True)
class Ingredients:
    """What a recipe is made of: paired inputs, and the particles with the poses to learn from.

    ``train_rows`` are those of ``particles``; ``earlier`` is what an earlier run learned.
    """

    inputs: PairedInputs
    particles: ParticleSet
    config: TrainConfig
    device: torch.device
    train_rows: Integers
    earlier: EarlierNetwork | None
    ranks: Ranks


def _paper(of: Ingredients) -> Recipe:
    warm_up = simulated_like(of.inputs, seed=of.config.seed) if of.config.warm_up else None
    return paper_recipe(
        of.inputs.density,
        of.particles,
        of.config,
        of.device,
        of.train_rows,
        of.earlier,
        warm_up,
        of.ranks,
    )


def _fast(of: Ingredients) -> Recipe:
    from napari_cryoorient.training.fast import fast_recipe

    return fast_recipe(
        of.inputs.density,
        of.particles,
        of.config,
        of.device,
        of.train_rows,
        of.earlier,
        of.ranks,
    )


RECIPES: dict[Preset, Callable[[Ingredients], Recipe]] = {"paper": _paper, "fast": _fast}
"""What makes the recipe of each preset."""


def make_recipe(
    inputs: PairedInputs,
    config: TrainConfig,
    device: torch.device,
    train_rows: Integers,
    test_rows: Integers,
    reporter: Reporter,
    earlier: EarlierNetwork | None = None,
    ranks: Ranks = ALONE,
) -> tuple[Recipe, Labels]:
    """Make the recipe that ``config`` asks for, with the weights of an earlier run if there is one.

    Raises InputError where poses are wanting, and KeyboardInterrupt when asked to stop on the way.
    """
    wanted = config.labels or ("star" if inputs.particles.poses is not None else "simulated")
    if wanted == "star" and inputs.particles.poses is None:
        raise InputError(
            "The STAR file has no poses to learn from: use --labels search to find some, or "
            "--labels simulated to learn from projections of the map."
        )
    if config.warm_up is not None and wanted == "simulated":
        raise InputError(
            "After the warm-up real particles with poses are learned from: use --labels search, or "
            "a STAR file with poses."
        )
    labels = Labels(inputs.particles)
    if wanted == "search":
        searched = searched_labels(
            inputs,
            train_rows,
            test_rows,
            symmetry=config.symmetry,
            seed=config.seed,
            device=device,
            reporter=reporter,
            n_train=config.n_labels or N_TRAIN,
        )
        labels, train_rows = Labels(searched.particles, searched.test_rows), searched.train_rows
    if wanted == "simulated" and not PRESETS[config.preset].makes_projections:
        labels = Labels(simulated_like(inputs, seed=config.seed))
        reporter.say(
            f"Labels: {len(labels.particles)} images made from the map, with the stack's CTF "
            "values and noise; the test figures are on such images, not on the stack."
        )
    recipe = RECIPES[config.preset](
        Ingredients(inputs, labels.particles, config, device, train_rows, earlier, ranks)
    )
    for sentence in recipe.notes:
        reporter.say(sentence)
    return recipe, labels
