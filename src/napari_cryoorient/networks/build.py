"""A network from its JSON-able description."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import nn

from napari_cryoorient.errors import InputError

# kind -> module and class with a ``from_description``; imported when needed.
_KINDS = {
    "paper": ("napari_cryoorient.networks.vgg", "PaperNetwork"),
    "compact": ("napari_cryoorient.networks.compact", "CompactNetwork"),
}


def build_network(description: dict[str, Any]) -> nn.Module:
    """Make the network ``description`` tells of, with fresh weights.

    Raises InputError for a kind this version does not know.
    """
    kind = description.get("kind")
    if kind not in _KINDS:
        raise InputError(
            f"The checkpoint holds a network of kind {kind!r}, which this version does not know: "
            f"it knows {', '.join(_KINDS)}."
        )
    module_name, class_name = _KINDS[kind]
    network = getattr(import_module(module_name), class_name).from_description(description)
    assert isinstance(network, nn.Module)
    return network
