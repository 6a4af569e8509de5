"""Every parameter a user sets for a run, declared once.

Flags on the command line and rows in the panel are made from these fields: their type, default,
bounds, description and ``json_schema_extra["unit"]``.  ``None`` means "what the preset says";
``TrainConfig.resolved`` fills those in.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Preset = Literal["paper", "fast"]
Representation = Literal["quaternion", "axis-angle", "6d", "distribution"]
Labels = Literal["star", "simulated", "search"]
DeviceName = Literal["auto", "cuda", "mps", "cpu"]
Precision = Literal["auto", "float32", "bfloat16"]
InvertContrast = Literal["auto", "no", "yes"]

# The recipe of Lian et al. (2022), section 2.7; representation from their table 3.
PAPER_VALUES: dict[str, Any] = {
    "representation": "quaternion",
    "labels": "star",
    "steps": 2000,
    "batch_size": 24,
    "learning_rate": 5e-5,
    "box": 128,
}
# Fields left out here are settled by the fast recipe itself, from the stack and the time budget.
FAST_VALUES: dict[str, Any] = {"representation": "distribution"}


# What fine-tuning an earlier run (``from_run``) does instead.
PAPER_FINE_TUNING: dict[str, Any] = {"steps": 400, "learning_rate": 1e-5}


def _unit(unit: str) -> dict[str, Any]:
    return {"unit": unit}


class TrainConfig(BaseModel):
    """What a training run is asked to do; frozen, and written whole into ``run.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Preset = Field(
        "fast", description="Recipe: 'paper' is Lian et al. (2022), 'fast' is this project's own"
    )
    w: float = Field(
        0.8,
        ge=0.0,
        le=1.0,
        description="Weight of the quaternion-distance loss against the reprojection loss: "
        "at least 0.6 suits asymmetric particles, at most 0.4 symmetric ones",
    )
    representation: Representation | None = Field(
        None, description="What the network regresses (paper: quaternion; fast: distribution)"
    )
    symmetry: str = Field("C1", description="Point group of the map on RELION's axes, such as D7")
    labels: Labels | None = Field(
        None,
        description="Where the poses to learn from come from: the STAR file, projections of the "
        "map, or a global search (default: the STAR file where it has poses)",
    )
    n_labels: int | None = Field(
        None,
        ge=2,
        description="Particles that --labels search finds poses of, to learn from (default: 2000)",
        json_schema_extra=_unit("particles"),
    )
    warm_up: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Part of the training that learns from projections of the map alone, real "
        "particles with their poses alone coming after (default: fast mixes both)",
    )
    from_run: str | None = Field(
        None,
        description="Earlier run to fine-tune, on this stack and this map: its weights are the "
        "start; preset, representation, symmetry, box and w are its own where not given",
        json_schema_extra={"flag": "--from", "metavar": "run"},
    )
    steps: int | None = Field(
        None, ge=1, description="Training steps (paper: 2000)", json_schema_extra=_unit("steps")
    )
    minutes: float | None = Field(
        None,
        gt=0.0,
        description="Time budget, in place of a number of steps; the one setting with which a "
        "seed does not fix the result",
        json_schema_extra=_unit("min"),
    )
    batch_size: int | None = Field(
        None, ge=1, description="Images in a step (paper: 24)", json_schema_extra=_unit("images")
    )
    learning_rate: float | None = Field(
        None, gt=0.0, le=1.0, description="Learning rate of Adam at the start (paper: 5e-5)"
    )
    weight_decay: float = Field(1e-4, ge=0.0, description="L2 penalty of Adam")
    decay_at: float = Field(
        0.8, gt=0.0, le=1.0, description="Part of the steps after which the learning rate drops"
    )
    decay_factor: float = Field(
        5.0, ge=1.0, description="What the learning rate is divided by at that point"
    )
    box: int | None = Field(
        None,
        ge=16,
        le=1024,
        multiple_of=2,
        description="Working box that images and map are brought to (paper: 128)",
        json_schema_extra=_unit("px"),
    )
    test_fraction: float = Field(
        0.2, gt=0.0, lt=1.0, description="Part of the particles held out for testing"
    )
    n_folds: int | None = Field(
        None,
        ge=2,
        description="Number of equal parts for cross-validation; --fold names the one held out, "
        "and --test-fraction is not looked at",
    )
    fold: int | None = Field(
        None, ge=1, description="Part that is held out in cross-validation, counted from 1"
    )
    seed: int = Field(0, ge=0, description="Seed of the split, the weights and the batches")
    device: DeviceName = Field("auto", description="Where to compute; auto takes CUDA, MPS, CPU")
    precision: Precision = Field(
        "auto",
        description="Arithmetic of the network; auto: bfloat16 where the device has units for it",
    )
    weights: str = Field(
        "auto",
        description="Start of the paper's VGG16 blocks: 'auto' (ImageNet weights, fetched once), "
        "'none' (He initialisation), or the path of a VGG16 weights file",
    )
    invert_contrast: InvertContrast = Field(
        "auto",
        description="Turn dark particles on white: auto looks at the correlation with the "
        "reprojections and does it where the sign is clear",
    )

    def resolved(self) -> TrainConfig:
        """Return the config with the preset's values where nothing was asked for."""
        values = PAPER_VALUES if self.preset == "paper" else FAST_VALUES
        if self.preset == "paper" and self.from_run is not None:
            values = values | PAPER_FINE_TUNING
        missing = {key: value for key, value in values.items() if getattr(self, key) is None}
        return self.model_copy(update=missing)
