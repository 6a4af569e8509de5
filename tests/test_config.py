from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_cryoorient.config import TrainConfig


def test_paper_preset_is_the_recipe_of_the_paper():
    config = TrainConfig(preset="paper").resolved()
    assert (config.representation, config.steps, config.batch_size) == ("quaternion", 2000, 24)
    assert (config.learning_rate, config.weight_decay, config.box) == (5e-5, 1e-4, 128)
    assert (config.decay_at, config.decay_factor) == (0.8, 5.0)
    assert config.test_fraction == 0.2  # 4:1
    assert config.w == 0.8


def test_what_is_asked_for_wins_over_the_preset():
    config = TrainConfig(preset="paper", steps=10, representation="6d").resolved()
    assert (config.steps, config.representation) == (10, "6d")
    assert config.resolved() == config


def test_fast_preset_regresses_a_distribution():
    assert TrainConfig().preset == "fast"
    assert TrainConfig().resolved().representation == "distribution"


@pytest.mark.parametrize(
    "wrong",
    [{"w": 1.1}, {"w": -0.1}, {"box": 33}, {"steps": 0}, {"test_fraction": 1.0}, {"sed": 1}],
    ids=str,
)
def test_values_out_of_bounds_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        TrainConfig(**wrong)


def test_every_field_says_what_it_is():
    for name, field in TrainConfig.model_fields.items():
        assert field.description, name
