"""The settings of a training run; None means "what the preset says"."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from napari_cryoorient.config.base import Config
from napari_cryoorient.settings import (
    DEVICE,
    INVERT_CONTRAST,
    MEMORY,
    SEED,
    SYMMETRY,
    DeviceName,
    InvertContrast,
    Setting,
    W,
)

Preset = Literal["paper", "fast"]
Representation = Literal["quaternion", "axis-angle", "6d", "distribution"]
Labels = Literal["star", "simulated", "search"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class PresetTraits:
    """The values of a preset, and what else the tasks and the window ask of it.

    Fields that ``values`` and ``fine_tuning`` (of an earlier run) leave out the recipe chooses
    itself, from the stack and the time budget.  ``fits_minutes``: the recipe plans its schedule to
    a time budget; if not, training ends early.  ``takes_any_box``: the network does not depend on
    the working box, so that fine-tuning may change it.  ``representations`` are the network's.
    ``makes_projections``: it learns from projections of the map that it makes itself, so that
    simulated labels and a warm-up need no images from elsewhere.
    """

    values: dict[str, Any]
    fits_minutes: bool
    takes_any_box: bool
    makes_projections: bool
    representations: tuple[Representation, ...]
    fine_tuning: dict[str, Any] = field(default_factory=dict)


PRESETS: dict[Preset, PresetTraits] = {
    # Lian et al. (2022), section 2.7; representation from their table 3.
    "paper": PresetTraits(
        values={
            "representation": "quaternion",
            "labels": "star",
            "steps": 2000,
            "batch_size": 24,
            "learning_rate": 5e-5,
            "box": 128,
        },
        fits_minutes=False,
        takes_any_box=False,
        makes_projections=False,
        representations=("quaternion", "axis-angle", "6d"),
        fine_tuning={"steps": 400, "learning_rate": 1e-5},
    ),
    "fast": PresetTraits(
        values={"representation": "distribution"},
        fits_minutes=True,
        takes_any_box=True,
        makes_projections=True,
        representations=("quaternion", "axis-angle", "6d", "distribution"),
    ),
}


class TrainConfig(Config):
    """What a training run is asked to do; written whole into ``run.json``."""

    preset: Annotated[
        Preset, Setting("Recipe: 'paper' is Lian et al. (2022), 'fast' is this project's own")
    ] = "fast"
    w: Annotated[float, W] = 0.8
    representation: Annotated[
        Representation | None,
        Setting("What the network regresses (paper: quaternion; fast: distribution)"),
    ] = None
    symmetry: Annotated[str, SYMMETRY] = "C1"
    labels: Annotated[
        Labels | None,
        Setting(
            "Where the poses to learn from come from: the STAR file, projections of the map, or a "
            "global search (default: the STAR file where it has poses)",
            label="Labels from",
        ),
    ] = None
    n_labels: Annotated[
        int | None,
        Setting(
            "Particles that --labels search finds poses of, to learn from (default: 2000)",
            unit="particles",
            label="To label",
            ge=2,
        ),
    ] = None
    warm_up: Annotated[
        float | None,
        Setting(
            "Part of the training that learns from projections of the map alone, real particles "
            "with their poses alone coming after (default: fast mixes both)",
            label="Warm-up",
            ge=0.0,
            le=1.0,
        ),
    ] = None
    from_run: Annotated[
        str | None,
        Setting(
            "Earlier run to fine-tune, on this stack and this map: its weights are the start; "
            "preset, representation, symmetry, box and w are its own where not given",
            label="Fine-tune from",
            flags=("--from", "--from-run"),
            metavar="RUN",
        ),
    ] = None
    steps: Annotated[int | None, Setting("Training steps (paper: 2000)", unit="steps", ge=1)] = None
    minutes: Annotated[
        float | None,
        Setting(
            "Time budget, in place of a number of steps; the one setting with which a seed does "
            "not fix the result",
            unit="min",
            label="Time",
            gt=0.0,
        ),
    ] = None
    batch_size: Annotated[
        int | None, Setting("Images in a step (paper: 24)", unit="images", ge=1)
    ] = None
    learning_rate: Annotated[
        float | None,
        Setting("Learning rate of Adam at the start (paper: 5e-5)", gt=0.0, le=1.0),
    ] = None
    weight_decay: Annotated[float, Setting("L2 penalty of Adam", ge=0.0)] = 1e-4
    decay_at: Annotated[
        float,
        Setting("Part of the steps after which the learning rate drops", gt=0.0, le=1.0),
    ] = 0.8
    decay_factor: Annotated[
        float, Setting("What the learning rate is divided by at that point", ge=1.0)
    ] = 5.0
    box: Annotated[
        int | None,
        Setting(
            "Working box that images and map are brought to (paper: 128)",
            unit="px",
            label="Working box",
            ge=16,
            le=1024,
            multiple_of=2,
        ),
    ] = None
    test_fraction: Annotated[
        float, Setting("Part of the particles held out for testing", gt=0.0, lt=1.0)
    ] = 0.2
    n_folds: Annotated[
        int | None,
        Setting(
            "Number of equal parts for cross-validation; --fold names the one held out, and "
            "--test-fraction is not looked at",
            label="Folds",
            ge=2,
        ),
    ] = None
    fold: Annotated[
        int | None,
        Setting(
            "Part that is held out in cross-validation, counted from 1",
            label="Held-out fold",
            ge=1,
        ),
    ] = None
    seed: Annotated[int, SEED] = 0
    device: Annotated[DeviceName, DEVICE] = "auto"
    memory_gib: Annotated[float | None, MEMORY] = None
    precision: Annotated[
        Precision,
        Setting(
            "Arithmetic of the network; auto: bfloat16 where the device has units for it",
        ),
    ] = "auto"
    weights: Annotated[
        str,
        Setting(
            "Start of the paper's VGG16 blocks: 'auto' (ImageNet weights, fetched once), 'none' "
            "(He initialisation), or the path of a VGG16 weights file"
        ),
    ] = "auto"
    invert_contrast: Annotated[InvertContrast, INVERT_CONTRAST] = "auto"

    def resolved(self) -> TrainConfig:
        """Return the config with the preset's values where nothing was requested."""
        preset = PRESETS[self.preset]
        values = preset.values if self.from_run is None else preset.values | preset.fine_tuning
        missing = {key: value for key, value in values.items() if getattr(self, key) is None}
        return self.model_copy(update=missing)
