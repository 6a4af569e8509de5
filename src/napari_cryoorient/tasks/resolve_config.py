"""What is decided before a run begins: its settings, and whether its inputs are the right ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from napari_cryoorient.config import PRESETS, TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.fingerprint import change
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.runs.record import EarlierRun, InputsRecord, RunRecord
from napari_cryoorient.stack.pairing import PairedInputs
from napari_cryoorient.training.checkpoint import read_checkpoint
from napari_cryoorient.training.fine_tuning import EarlierNetwork

# Settings that a run takes over from the one it fine-tunes, where it names none of its own.
OF_THE_NETWORK = ("preset", "representation", "symmetry")
TAKEN_OVER = (*OF_THE_NETWORK, "box", "w")


def as_before(config: TrainConfig, run_dir: Path, earlier: RunRecord) -> TrainConfig:
    """Return the settings a run was started with, but for those that are given now."""
    given = config.model_dump(include=config.model_fields_set)
    was = earlier.config.get("from_run")
    if config.from_run is not None and absolute(config.from_run) != was:
        raise InputError(
            f"The run in {run_dir} was started from {was or 'fresh weights'}: resume it without "
            "--from, or name another folder."
        )
    given.pop("from_run", None)
    try:
        if not earlier.config:
            raise ValueError("no settings")
        return TrainConfig(**(earlier.config | given))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{run_dir / 'run.json'} is of another version: start a new run in another folder."
        ) from error


def absolute(path: str) -> str:
    """Return how ``run.json`` names another run."""
    return str(Path(path).resolve())


def fine_tuning(config: TrainConfig) -> tuple[TrainConfig, EarlierNetwork, EarlierRun]:
    """Complete the settings of a run that starts from another, ``config.from_run``.

    Returns settings, weights, and what ``run.json`` says of the other run.  Raises InputError
    where there is no such run, or its preset is another.
    """
    assert config.from_run is not None
    name = absolute(config.from_run)
    record = RunReader(name).run()
    if record is None:
        raise InputError(f"There is no run in {config.from_run} to start from: name a run folder.")
    network = EarlierNetwork.of_checkpoint(
        read_checkpoint(Path(name) / layout.CHECKPOINT), config.from_run
    )
    theirs = record.config
    given = config.model_dump(include=config.model_fields_set, exclude_none=True)
    for key in OF_THE_NETWORK:
        if key in given and given[key] != theirs.get(key):
            raise InputError(
                f"The network of {config.from_run} was trained with {key} {theirs.get(key)} and "
                f"does not fit {key} {given[key]}: leave {key} out, or do not start from this run."
            )
    if config.weights not in ("auto", "none"):
        raise InputError("Weights and an earlier run both name a start: leave one of them out.")
    ours = {key: theirs[key] for key in TAKEN_OVER if theirs.get(key) is not None}
    files = record.inputs
    about = EarlierRun(run=name, step=network.step, map=files.map, star=files.star)
    return TrainConfig(**(ours | given | {"from_run": name})), network, about


def check_same_inputs(inputs: PairedInputs, run_dir: Path, before: InputsRecord) -> None:
    """Raise InputError where stack or map are plainly not those the run was started with."""
    for key, value in facts_of(inputs).items():
        was = getattr(before, key)
        if was is not None and not math.isclose(was, value, rel_tol=1e-6):
            raise InputError(
                f"The run in {run_dir} was started with another stack or map ({key} {was:g}, now "
                f"{value:g}): resume with {before.star} and {before.map}."
            )


def check_same_files(files: dict[str, Any], run_dir: Path, before: InputsRecord) -> str | None:
    """Raise InputError where the files are others than those the run was started with.

    ``files`` is their ``fingerprint``.  Returns a note where they were only touched since.
    """
    if (what := change(before, files)) is not None:
        raise InputError(
            f"A run continues only with the files it was started with, and {what} changed since: "
            f"start a new run in another folder than {run_dir}."
        )
    if before.stack_time_ns in (None, files["stack_time_ns"]):
        return None
    return "Note: the stacks were rewritten since the run was started, with the same images."


def facts_of(inputs: PairedInputs) -> dict[str, float]:
    """Return what ``run.json`` says of stack and map, in numbers."""
    particles, density = inputs.particles, inputs.density
    return {
        "n_particles": len(particles),
        "box": particles.box,
        "pixel_size_angstrom": particles.pixel_size_angstrom,
        "map_box": density.box,
        "map_pixel_size_angstrom": density.pixel_size_angstrom,
    }


def with_box(config: TrainConfig, inputs: PairedInputs) -> TrainConfig:
    """Settle the working box: left open it is the stack's, up to 64 pixels."""
    if config.box is not None and not (config.from_run and PRESETS[config.preset].takes_any_box):
        return config
    if config.box is not None:
        # To such a network the box only sets the scale of the figures.
        return config.model_copy(update={"box": min(inputs.particles.box, config.box)})
    return config.model_copy(update={"box": min(inputs.particles.box, 64)})
