"""Starting from what an earlier run learned, its map or its particles being others.

Weights are taken over, buffers are not: the spectra of signal and noise in a network's filter are
those of the new stack and map.  Optimiser and schedule are new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from napari_cryoorient.errors import InputError

# Fields of view may differ by as much as a stack may from the one a network was trained on.
TOLERANCE = 0.02


@dataclass(frozen=True)
class EarlierNetwork:
    """What the run ``name`` had learned by ``step``: the weights of its network by name."""

    name: str
    step: int
    description: dict[str, Any]
    weights: dict[str, Tensor]

    @staticmethod
    def of_checkpoint(state: dict[str, Any], name: str) -> EarlierNetwork:
        """Take the weights that predict: averaged ones where there are some."""
        weights = state["evaluation_network"]
        return EarlierNetwork(
            name,
            int(state["step"]),
            state["description"],
            state["network"] if weights is None else weights,
        )


@torch.no_grad()
def begin_with(network: nn.Module, earlier: EarlierNetwork) -> None:
    """Put the earlier weights into ``network``, its buffers left as they are.

    Raises InputError where the two networks are not of one kind, size, symmetry and field of view.
    """
    wanted = network.description
    assert isinstance(wanted, dict)
    # Others follow from the first three.
    first = ("kind", "symmetry", "representation")
    for key in (*first, *sorted({*wanted, *earlier.description} - {*first})):
        was, now = earlier.description.get(key), wanted.get(key)
        if key == "field_of_view_angstrom" and was and now:
            if abs(now / was - 1.0) <= TOLERANCE:
                continue
            was, now = f"{was:.0f} A", f"{now:.0f} A"
        # What an earlier version did not know, it did not do.
        if (was or None) != (now or None):
            raise InputError(
                f"The network of {earlier.name} does not fit this run ({key.replace('_', ' ')} "
                f"was {was}, now {now}): use the settings and the field of view it was trained "
                "with, or train again without --from."
            )
    for name, parameter in network.named_parameters():
        parameter.copy_(earlier.weights[name])
