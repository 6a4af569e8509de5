"""Checkpoints of earlier formats, brought to today's.

Format 1 (version 0.1.0): for symmetric maps the network of ``fast`` had outputs for a rim of views
around the asymmetric unit as well.  Its scores are the logarithm of a density over poses, and any
set of views that covers the unit tells of it: the outputs of the rim are left out, and nothing else
changes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from napari_cryoorient.geometry.grids import is_in_asymmetric_unit, view_directions
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.networks.build import build_network

# What has one row a view.
_PER_VIEW = ("head.weight", "head.bias")


def from_format_1(state: dict[str, Any]) -> dict[str, Any]:
    """Return ``state`` without the outputs of the rim: weights, averages and optimiser alike."""
    description = state["description"]
    if description["kind"] != "compact" or description["representation"] != "distribution":
        return state
    group = symmetry_matrices(description["symmetry"])
    directions = view_directions(description["spacing_deg"], group)
    kept = is_in_asymmetric_unit(directions, group)
    if kept.all():
        return state
    averaged = state["evaluation_network"]
    recipe = state["recipe"]
    if "average" in recipe:
        recipe = {**recipe, "average": _of_weights(recipe["average"], kept)}
    return {
        **state,
        "network": _of_weights(state["network"], kept),
        "evaluation_network": None if averaged is None else _of_weights(averaged, kept),
        "optimizer": _of_optimizer(state["optimizer"], description, kept),
        "recipe": recipe,
    }


def _of_weights(weights: dict[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
    return {name: w[kept] if name in _PER_VIEW else w for name, w in weights.items()}


def _of_optimizer(
    optimizer: dict[str, Any], description: dict[str, Any], kept: Tensor
) -> dict[str, Any]:
    """Return the optimiser's state, which counts parameters instead of naming them."""
    with torch.random.fork_rng(devices=[]):
        names = [name for name, _ in build_network(description).named_parameters()]
    moments = {
        index: {
            key: value[kept] if names[index] in _PER_VIEW and value.ndim else value
            for key, value in of_parameter.items()
        }
        for index, of_parameter in optimizer["state"].items()
    }
    return {**optimizer, "state": moments}
