"""Checkpoints: everything a run needs to go on alike, and a predictor needs to start.

Loaded with ``weights_only=True``, so only tensors and plain values go in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from napari_cryoorient.device import is_out_of_memory
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.networks.build import build_network
from napari_cryoorient.training.older_checkpoint import from_format_1
from napari_cryoorient.training.recipe import Recipe

FORMAT = 2
# Settings of an optimiser that depend on where it runs, not on the run.
_DEVICE_FLAGS = ("fused", "capturable", "foreach")


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of torch's own generators, which dropout draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Take back what ``random_states`` gave."""
    torch.set_rng_state(states["cpu"].cpu())
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)


def snapshot(recipe: Recipe, *, step: int, seconds: float, precision: str) -> dict[str, Any]:
    """Return the state of a run after ``step`` steps; it refers to live tensors."""
    averaged = recipe.evaluation_network is not recipe.network
    return {
        "format": FORMAT,
        "step": step,
        "seconds": seconds,
        "precision": precision,
        "description": cast(dict[str, Any], recipe.evaluation_network.description),
        "network": recipe.network.state_dict(),
        "evaluation_network": recipe.evaluation_network.state_dict() if averaged else None,
        "optimizer": recipe.optimizer.state_dict(),
        "scheduler": None if recipe.scheduler is None else recipe.scheduler.state_dict(),
        "recipe": recipe.state_dict(),
        "batch_size": recipe.batch_size,
        "chunk_size": recipe.chunk_size,
        "random": random_states(recipe.device),
    }


def restore(recipe: Recipe, state: dict[str, Any]) -> None:
    """Bring a freshly made recipe to the state of ``snapshot``."""
    try:
        recipe.network.load_state_dict(state["network"])
        if state["evaluation_network"] is not None:
            recipe.evaluation_network.load_state_dict(state["evaluation_network"])
        recipe.optimizer.load_state_dict(_on_this_device(state["optimizer"], recipe.optimizer))
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "The checkpoint does not fit this run's settings: resume with the settings the run was "
            f"started with, or start a new run ({str(error).splitlines()[0]})."
        ) from error
    if recipe.scheduler is not None and state["scheduler"] is not None:
        recipe.scheduler.load_state_dict(state["scheduler"])
    recipe.load_state_dict(state["recipe"])
    recipe.batch_size = state["batch_size"]
    recipe.chunk_size = state["chunk_size"]
    set_random_states(state["random"], recipe.device)


def _on_this_device(saved: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return an optimiser's state with the flags that fit the device it continues on."""
    groups = [
        group | {name: own[name] for name in _DEVICE_FLAGS if name in own}
        for group, own in zip(saved["param_groups"], optimizer.param_groups, strict=True)
    ]
    return {**saved, "param_groups": groups}


def write_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a snapshot, replacing the file at ``path`` in one move."""
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a snapshot onto the CPU; one of an earlier format is brought to today's.

    Raises InputError when there is none, it is not one, or a later version wrote it.
    """
    if not path.is_file():
        raise InputError(f"No checkpoint at {path}: the run has saved nothing yet, or never began.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for what is not its own file
        if is_out_of_memory(error):
            raise
        raise InputError(f"{path} is not a checkpoint of this program, or is damaged.") from error
    found = state.get("format") if isinstance(state, dict) else None
    if not isinstance(found, int):
        raise InputError(f"{path} is not a checkpoint of this program, or is damaged.")
    if found == 1:
        return {**from_format_1(state), "format": FORMAT}
    if found != FORMAT:
        raise InputError(
            f"The checkpoint has format {found}, and this version reads formats 1 to {FORMAT}: use "
            f"the version of napari-cryoorient that wrote it, or a later one ({path})."
        )
    return cast(dict[str, Any], state)


def network_of_checkpoint(state: dict[str, Any], device: torch.device) -> nn.Module:
    """Build the network of a snapshot for prediction: averaged weights where there are some."""
    network = build_network(state["description"])
    weights = state["evaluation_network"]
    network.load_state_dict(state["network"] if weights is None else weights)
    return network.to(device).eval()
