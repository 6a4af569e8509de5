"""Float32 or bfloat16 for the network: decided by what the device can do."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import nn

_CPU_UNITS = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
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
    if _multiplies_bfloat16(device):
        return (
            "bfloat16",
            "bfloat16 with channels-last weights: this device has units for it.",
        )
    return "float32", "float32: this device has no units for bfloat16."


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Tell whether a device multiplies bfloat16 faster than float32.

    On CPUs these are AMX and AVX512-BF16; where bfloat16 is emulated it is slower than float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))
    if device.type == "cpu":
        asked = (getattr(torch.cpu, name, None) for name in _CPU_UNITS)  # not in every release
        return any(bool(ask()) for ask in asked if ask is not None)
    return False
