"""Float32 or bfloat16 for the network: decided by what the device can do."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import nn

from napari_cryoorient.device import multiplies_bfloat16

NetworkPrecision = Literal["float32", "bfloat16"]


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which the network's forward pass runs."""
    if precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def lay_out_weights(network: nn.Module, precision: str, device: torch.device) -> nn.Module:
    """Lay convolution weights out as is fastest, in place.

    Channels-last goes with bfloat16; on CPUs float32 gains a quarter by it, too.
    """
    channels_last = precision == "bfloat16" or device.type == "cpu"
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return network.to(memory_format=layout)  # type: ignore[call-overload,no-any-return]


def choose_precision(
    requested: str, device: torch.device, *, allows_bfloat16: bool = True
) -> tuple[NetworkPrecision, str]:
    """Return the precision to train in and a sentence that says why.

    It follows from the device alone, so that a seed gives the same result every time.
    """
    if not allows_bfloat16:
        return "float32", "float32: this network does not run in bfloat16."
    if requested == "float32":
        return "float32", "float32, as requested."
    if requested == "bfloat16":
        return "bfloat16", "bfloat16 with channels-last weights, as requested."
    if multiplies_bfloat16(device):
        return (
            "bfloat16",
            "bfloat16 with channels-last weights: this device has units for it.",
        )
    return "float32", "float32: this device has no units for bfloat16."
