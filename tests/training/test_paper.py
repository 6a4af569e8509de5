from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.rotations import matrix_to_quaternion, quaternion_to_matrix
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.particles import ArrayImages
from napari_cryoorient.training.checkpoint import snapshot
from napari_cryoorient.training.loop import Cadence, train
from napari_cryoorient.training.paper import paper_recipe
from napari_cryoorient.training.split import split_rows


def perfect(batch) -> PosePrediction:
    quaternion = matrix_to_quaternion(batch.rotations)
    return PosePrediction(quaternion_to_matrix(quaternion), extra={"quaternion": -quaternion})


@pytest.mark.usefixtures("tiny_network")
class TestRecipe:
    def test_true_poses_cost_nothing(self, toy, paper_config):
        recipe = toy.recipe(paper_config())
        batch = recipe.batch(0)
        terms = recipe.losses(perfect(batch), batch, 0.5)
        assert float(terms.qd) == pytest.approx(0.0, abs=1e-6)
        assert float(terms.reprojection) == pytest.approx(0.0, abs=1e-4)

    def test_reprojection_loss_does_not_depend_on_the_maps_units(self, toy, paper_config):
        recipe = toy.recipe(paper_config())
        batch = recipe.batch(0)
        other = type(toy)(
            type(toy.density)(toy.density.voxels * 1000.0, 4.0), toy.particles
        ).recipe(paper_config())
        prediction = recipe.network(batch.images, None)
        torch.testing.assert_close(
            recipe.losses(prediction, batch, 0.5).reprojection,
            other.losses(prediction, batch, 0.5).reprojection,
        )

    def test_random_poses_cost_about_as_much_in_both_terms(self, toy, paper_config):
        recipe = toy.recipe(paper_config(batch_size=12))
        batch = recipe.batch(0)
        turned = torch.roll(batch.rotations, 1, 0)
        quaternion = matrix_to_quaternion(turned)
        terms = recipe.losses(PosePrediction(turned, extra={"quaternion": quaternion}), batch, 0.5)
        assert 0.3 < float(terms.reprojection) < 1.2
        assert 0.4 < float(terms.qd) < 1.0

    def test_gradient_follows_w(self, toy, paper_config):
        recipe = toy.recipe(paper_config())
        batch = recipe.batch(0)
        for w in (0.0, 0.5, 1.0):
            recipe.network.zero_grad()
            recipe.losses(recipe.network(batch.images, None), batch, w).total.backward()
            assert any(p.grad.abs().sum() > 0 for p in recipe.network.parameters())

    def test_learning_rate_drops_by_five_after_four_fifths(self, toy, paper_config):
        recipe = toy.recipe(paper_config(steps=10))
        rates = []
        for report in train(recipe, w=0.5, cadence=Cadence(report_s=0.0, checkpoint_s=1e9)):
            if report.metrics is not None:
                rates.append(report.metrics.learning_rate)
        # The rate in force at step k is the one reported after step k - 1.
        assert rates[:7] == pytest.approx([5e-5] * 7)
        assert rates[7:10] == pytest.approx([1e-5] * 3)
        group = recipe.optimizer.param_groups[0]
        assert isinstance(recipe.optimizer, torch.optim.Adam)
        assert not isinstance(recipe.optimizer, torch.optim.AdamW)
        assert group["weight_decay"] == 1e-4
        assert not group.get("decoupled_weight_decay", False)

    def test_every_epoch_shows_every_particle_once(self, toy, paper_config):
        recipe = toy.recipe(paper_config())  # 12 training rows, batches of 4

        def means(steps: range) -> list[float]:
            return sorted(float(m) for s in steps for m in recipe.batch(s).images.std((-2, -1)))

        wanted = sorted(float(s) for s in toy.particles.images.images[:12].std((1, 2), ddof=1))
        assert means(range(3)) == pytest.approx(wanted, rel=1e-4)
        assert means(range(3, 6)) == pytest.approx(wanted, rel=1e-4)
        first = torch.cat([recipe.batch(s).images for s in range(3)])
        second = torch.cat([recipe.batch(s).images for s in range(3, 6)])
        assert not torch.equal(first, second)

    def test_warm_up_shows_made_images_first(self, toy, paper_config):
        made = replace(toy.particles, images=ArrayImages(toy.particles.images.images * 50.0, 4.0))
        rows = np.arange(12)
        config = paper_config(steps=10, warm_up=0.3)
        recipe = paper_recipe(
            toy.density, toy.particles, config, torch.device("cpu"), rows, warm_up=made
        )
        spreads = [float(recipe.batch(step).images.std()) for step in range(10)]
        assert min(spreads[:3]) > 10.0 * max(spreads[3:])

    def test_distribution_is_not_for_this_preset(self, toy, paper_config):
        with pytest.raises(InputError, match="fast preset"):
            toy.recipe(paper_config(representation="distribution"))


def test_split_is_four_to_one_and_known_from_the_seed():
    train_rows, test_rows = split_rows(1000, 0.2, seed=5)
    assert (len(train_rows), len(test_rows)) == (800, 200)
    assert sorted([*train_rows, *test_rows]) == list(range(1000))
    np.testing.assert_array_equal(split_rows(1000, 0.2, seed=5)[1], test_rows)
    assert not np.array_equal(split_rows(1000, 0.2, seed=6)[1], test_rows)
    assert [len(part) for part in split_rows(2, 0.2, seed=0)] == [1, 1]


@pytest.mark.parametrize("representation", ["quaternion", "axis-angle"])
def test_real_network_learns_in_a_few_steps(toy, paper_config, representation):
    """The paper's own network, at 32 pixels: overfitting two images brings the loss down."""
    config = paper_config(
        box=32, batch_size=2, steps=12, representation=representation, learning_rate=1e-4
    )
    recipe = toy.recipe(config)
    assert sum(p.numel() for p in recipe.network.parameters()) > 1e7
    same = recipe.batch(0)
    recipe.batch = lambda step: same
    losses = [
        r.metrics.loss
        for r in train(recipe, w=1.0, cadence=Cadence(report_s=0.0, checkpoint_s=1e9))
        if r.metrics is not None
    ]
    assert min(losses) < 0.5 * losses[0]
    state = snapshot(recipe, step=12, seconds=0.0, precision="float32")
    json.dumps(state["description"])
