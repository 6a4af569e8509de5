"""How often a training step would make the host wait for a GPU."""

from __future__ import annotations

import numpy as np
import torch

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.training.fast import fast_recipe
from napari_cryoorient.training.recipe import Recipe
from napari_cryoorient.training.steps import whole_step
from support.waits import WaitCounter


def waits_of(recipe: Recipe) -> WaitCounter:
    """Count over one step, the images having been read before."""
    for step in range(2):
        recipe.batch(step)
    # On a GPU the optimiser is fused and counts its steps there; on a CPU it reads them.
    recipe.optimizer.step = lambda *_: None  # type: ignore[method-assign]
    with WaitCounter() as counter:
        whole_step(recipe, recipe.network, recipe.batch(1), 0.5, "float32", check=lambda _: None)
        recipe.after_step(1)
    return counter


def test_the_counter_counts() -> None:
    a = torch.arange(4.0)
    with WaitCounter() as counter:
        float(a.sum())
        a[a > 1]
        a.nonzero()
        bool((a > 0).any())
        a * 2
    assert counter.total == 4, counter.counts


def test_a_step_of_the_paper_waits_at_most_once(toy, paper_config) -> None:
    counter = waits_of(toy.recipe(paper_config()))
    assert counter.total <= 1, counter.counts


def test_a_step_of_the_fast_recipe_waits_at_most_once(toy, monkeypatch) -> None:
    monkeypatch.setattr("napari_cryoorient.training.fast.SPACING_DEG", 18.0)
    config = TrainConfig(preset="fast", steps=8, batch_size=8, device="cpu", labels="simulated")
    rows = np.arange(len(toy.particles) - 8)
    counter = waits_of(fast_recipe(toy.density, toy.particles, config, torch.device("cpu"), rows))
    assert counter.total <= 1, counter.counts
