from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

import napari_cryoorient
from napari_cryoorient.config import (
    PRESETS,
    CompareConfig,
    Config,
    EvaluateConfig,
    ExportConfig,
    FilterCurveConfig,
    FscConfig,
    HandConfig,
    MicrographsConfig,
    NullTestConfig,
    OrientationsConfig,
    PixelSizeConfig,
    PredictConfig,
    Preset,
    ProjectConfig,
    ReconstructConfig,
    RefineConfig,
    RelaxConfig,
    SearchConfig,
    SimulateConfig,
    SymmetryConfig,
    TrainConfig,
)

COMMANDS = {
    "search": SearchConfig,
    "refine": RefineConfig,
    "predict": PredictConfig,
    "reconstruct": ReconstructConfig,
    "train": TrainConfig,
    "simulate": SimulateConfig,
    "evaluate": EvaluateConfig,
    "compare": CompareConfig,
    "orientations": OrientationsConfig,
    "null_test": NullTestConfig,
    "filter_curve": FilterCurveConfig,
    "pixel_size": PixelSizeConfig,
    "relax": RelaxConfig,
    "fsc": FscConfig,
    "hand": HandConfig,
    "project": ProjectConfig,
    "symmetry": SymmetryConfig,
    "export": ExportConfig,
    "micrographs": MicrographsConfig,
}
CONFIGS = tuple(COMMANDS.values())
# What a file has is given as an array where there is none; n is an argument of its own.
OF_FILES = {
    ("reconstruct", "weigh_by_confidence"),
    ("simulate", "symmetry"),
    ("simulate", "n"),
    ("project", "with_ctf"),
}


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


@pytest.mark.parametrize("model", CONFIGS, ids=lambda model: model.__name__)
def test_every_field_says_what_it_is(model: type[Config]):
    for name in model.model_fields:
        help_text = model.setting(name).help
        assert help_text[0].isupper(), name
        assert not help_text.endswith("."), name


@pytest.mark.parametrize(("name", "model"), COMMANDS.items())
def test_every_field_is_a_flag_of_its_command_and_a_python_keyword(name: str, model: type[Config]):
    command = import_module(f"napari_cryoorient.cli.{name}").run
    function = getattr(napari_cryoorient, name)
    in_python = inspect.signature(function).parameters
    for field in model.model_fields:
        assert field in inspect.signature(command).parameters
        if (name, field) not in OF_FILES:
            assert in_python[field].default == model.model_fields[field].default
            assert f"{field}: {model.setting(field).help}" in inspect.getdoc(function)


@pytest.mark.parametrize(("name", "model"), COMMANDS.items())
def test_arguments_of_a_config_make_it_again(name: str, model: type[Config]):
    changed = model(**{field: _other(model, field) for field in model.model_fields})
    command = import_module(f"napari_cryoorient.cli.{name}").run
    flags = {p.name: model.flags(p.name) for p in _settings_of(command, model)}
    given: dict[str, object] = {}
    arguments = iter(changed.arguments())
    for flag in arguments:
        field = next(f for f, known in flags.items() if flag in known[0].split("/"))
        of_choice = "/" in flags[field][0] or model.model_fields[field].annotation is bool
        if of_choice:
            given[field] = flag == known_on(flags[field][0])
        else:
            given[field] = next(arguments)
    assert model(**given) == changed


def known_on(flag: str) -> str:
    return flag.partition("/")[0]


def _settings_of(command: object, model: type[Config]) -> list[inspect.Parameter]:
    parameters = inspect.signature(command).parameters.values()
    return [p for p in parameters if p.name in model.model_fields]


def _other(model: type[Config], name: str) -> object:
    """Return a value that is allowed and not the default."""
    field = model.model_fields[name]
    candidates = (
        not field.default,
        "D7",
        "cpu",
        "yes",
        "1",
        "paper",
        "6d",
        "simulated",
        "float32",
        "cs",
    )
    for value in (*((0.3, 32, 2) if field.annotation is not bool else ()), *candidates):
        try:
            made = getattr(model(**{name: value}), name)
        except ValidationError:
            continue
        if made != field.default:
            return made
    raise AssertionError(name)


def test_every_preset_has_values_and_a_recipe_of_its_own():
    from napari_cryoorient.tasks.recipes import RECIPES

    names = set(get_args(Preset))
    assert set(PRESETS) == names
    assert set(RECIPES) == names
    assert len(set(RECIPES.values())) == len(names)
    for name, preset in PRESETS.items():
        assert {*preset.values, *preset.fine_tuning} <= set(TrainConfig.model_fields)
        resolved = TrainConfig.model_validate({"preset": name}).resolved()
        assert resolved.representation in preset.representations
        assert {key: getattr(resolved, key) for key in preset.values} == preset.values


def test_no_preset_is_asked_for_by_its_name():
    source = Path(napari_cryoorient.__file__).parent
    pattern = re.compile(r"preset\s*(==|!=|in)\s*[\"'(\[{]")
    found = [str(p) for p in source.rglob("*.py") if pattern.search(p.read_text())]
    assert found == []
