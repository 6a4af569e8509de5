"""What a run takes over from an earlier one: its weights, and nothing of its stack and map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.networks.compact import CompactNetwork
from napari_cryoorient.particles import ArrayImages, ParticleSet, Poses
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.training.checkpoint import snapshot
from napari_cryoorient.training.fast import FINE_TUNING_STEPS, FastRecipe, fast_recipe
from napari_cryoorient.training.fine_tuning import EarlierNetwork
from napari_cryoorient.training.loop import Cadence, train
from napari_cryoorient.training.paper import paper_recipe

BOX, PIXEL = 32, 8.0


def stack(seed: int, noise: float) -> ParticleSet:
    generator = torch.Generator().manual_seed(seed)
    poses = Poses(random_rotations(8, generator).double().numpy(), np.zeros((8, 2)))
    images = noise * torch.randn(8, BOX, BOX, generator=generator).numpy()
    return ParticleSet(ArrayImages(images, PIXEL), poses, None, np.zeros(8, dtype=np.int64))


def recipe(
    noise: float = 1.0, earlier: EarlierNetwork | None = None, **changes: object
) -> FastRecipe:
    values: dict[str, object] = {"batch_size": 4, "device": "cpu", "precision": "float32"}
    values |= {"labels": "simulated", **({"from_run": "run"} if earlier else {})}
    config = TrainConfig.model_validate(values | changes)
    density = demo_density(BOX, PIXEL)
    return fast_recipe(density, stack(1, noise), config, torch.device("cpu"), np.arange(8), earlier)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_cryoorient.training.fast.SPACING_DEG", 25.0)
        yield


@pytest.fixture(scope="module")
def trained(small: None) -> EarlierNetwork:
    made = recipe(steps=3)
    for _ in train(made, w=0.8, cadence=Cadence(report_s=1e9, checkpoint_s=1e9)):
        pass
    return EarlierNetwork.of_checkpoint(
        snapshot(made, step=3, seconds=0.0, precision="float32"), "run"
    )


def test_averaged_weights_are_taken_over_and_the_stacks_spectra_are_not(trained):
    made = recipe(noise=3.0, earlier=trained)
    parameters = dict(made.network.named_parameters())
    assert len(parameters) > 10
    for name, parameter in parameters.items():
        torch.testing.assert_close(parameter.detach(), trained.weights[name])
    fresh = dict(recipe().network.named_parameters())
    assert not torch.equal(parameters["head.weight"], fresh["head.weight"])
    # Nine times the noise power, whatever the earlier stack had.
    ratio = made.network.filter.noise_power / trained.weights["filter.noise_power"]
    assert float(ratio.median()) == pytest.approx(9.0, rel=0.2)
    for mine, average in zip(
        made.network.parameters(), made.evaluation_network.parameters(), strict=True
    ):
        assert torch.equal(mine, average)


def test_schedule_is_shorter_and_lower_and_noise_full_from_the_start(trained):
    made, fresh = recipe(earlier=trained), recipe()
    assert made.n_steps == FINE_TUNING_STEPS < fresh.n_steps / 4
    rates = [r.optimizer.param_groups[0]["lr"] for r in (made, fresh)]
    assert 0 < rates[0] < rates[1] / 2
    assert made.optimizer.state == {}
    noise = [float(r.batch(0).images.std()) for r in (made, fresh)]
    assert noise[0] > 1.5 * noise[1]
    assert recipe(earlier=trained, steps=7, learning_rate=0.1).n_steps == 7


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symmetry": "C3"}, "symmetry was C1, now C3"),
        ({"representation": "6d"}, "representation was distribution, now 6d"),
    ],
)
def test_another_network_is_refused(trained, changes, words):
    with pytest.raises(InputError, match=words):
        recipe(earlier=trained, **changes)


def test_another_field_of_view_is_refused(trained):
    other = replace(trained, description=trained.description | {"field_of_view_angstrom": 300.0})
    with pytest.raises(InputError, match="field of view angstrom was 300 A, now 256 A"):
        recipe(earlier=other)
    nearly = replace(trained, description=trained.description | {"field_of_view_angstrom": 254.0})
    recipe(earlier=nearly)


@pytest.mark.usefixtures("tiny_network")
def test_papers_recipe_starts_from_the_weights_and_looks_for_no_others():
    particles, density = stack(1, 1.0), demo_density(BOX, PIXEL)
    config = TrainConfig(preset="paper", box=BOX, batch_size=4, weights="none", device="cpu")

    def make(config: TrainConfig, earlier: EarlierNetwork | None = None):
        rows = np.arange(8)
        return paper_recipe(density, particles, config, torch.device("cpu"), rows, earlier)

    first = make(config)
    earlier = EarlierNetwork.of_checkpoint(
        snapshot(first, step=0, seconds=0.0, precision="float32"), "run"
    )
    tuned = make(config.model_copy(update={"from_run": "run", "seed": 5}), earlier)
    for one, other in zip(first.network.parameters(), tuned.network.parameters(), strict=True):
        assert torch.equal(one, other)
    assert tuned.notes == ()
    assert tuned.n_steps < first.n_steps / 4
    assert tuned.optimizer.param_groups[0]["lr"] < first.optimizer.param_groups[0]["lr"]


def test_a_network_of_an_earlier_version_learns_on_as_it_was(trained):
    before = CompactNetwork.from_description({**trained.description, "finds_centre": False})
    known = {k: v for k, v in before.description.items() if k != "finds_centre"}
    made = recipe(earlier=EarlierNetwork("old", 3, known, before.state_dict()), steps=2)
    assert not made.network.finds_centre
    assert made.batch(0).told is None
    assert [r for r in train(made, w=0.8)][-1].outcome == "finished"
