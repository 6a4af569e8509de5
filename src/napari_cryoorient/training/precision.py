"""Float32 or bfloat16 for the network: decided by timing both for a moment."""

from __future__ import annotations

import copy
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from napari_cryoorient.device import synchronize

NetworkPrecision = Literal["float32", "bfloat16"]
# bfloat16 costs accuracy, so it has to win clearly.
WORTHWHILE_SPEEDUP = 1.15
N_TIMED = 2


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which the network's forward pass runs."""
    if precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def arranged(network: nn.Module, precision: str, device: torch.device) -> nn.Module:
    """Lay convolution weights out as is fastest, in place.

    Channels-last goes with bfloat16; on CPUs float32 gains a quarter by it, too.
    """
    channels_last = precision == "bfloat16" or device.type == "cpu"
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return network.to(memory_format=layout)  # type: ignore[call-overload,no-any-return]


def choose_precision(
    requested: str,
    network: nn.Module,
    images: Tensor,
    ctf: Tensor | None,
    *,
    allows_bfloat16: bool = True,
) -> tuple[NetworkPrecision, str]:
    """Return the precision to train in and a sentence that says why.

    ``network`` is left as it was: a copy runs forward and backward on ``images``.
    """
    if not allows_bfloat16:
        return "float32", "float32: this network does not run in bfloat16."
    if requested == "float32":
        return "float32", "float32, as asked."
    if requested == "bfloat16":
        return "bfloat16", "bfloat16 with channels-last weights, as asked."
    try:
        plain = _seconds_a_pass(network, images, ctf, "float32")
        brief = _seconds_a_pass(network, images, ctf, "bfloat16")
    except (RuntimeError, NotImplementedError) as error:
        return "float32", f"float32: bfloat16 does not run here ({str(error).splitlines()[0]})."
    timing = f"{plain * 1e3:.0f} ms against {brief * 1e3:.0f} ms in bfloat16, {len(images)} images"
    if plain > WORTHWHILE_SPEEDUP * brief:
        return "bfloat16", f"bfloat16 with channels-last weights: float32 took {timing}."
    return "float32", f"float32: it took {timing}."


def _seconds_a_pass(
    network: nn.Module, images: Tensor, ctf: Tensor | None, precision: str
) -> float:
    """Time the best of a few forward and backward passes of a copy, without dropout or updates.

    On a CPU it is the process's own time that counts: other programs on it make no difference.
    """
    clock = time.process_time if images.device.type == "cpu" else time.perf_counter
    probe = arranged(copy.deepcopy(network).eval(), precision, images.device)
    best = float("inf")
    for turn in range(1 + N_TIMED):
        synchronize(images.device)
        start = clock()
        with autocast(images.device, precision):
            prediction = probe(images, ctf)
        (
            prediction.rotations.sum() + sum(t.float().sum() for t in prediction.extra.values())
        ).backward()
        synchronize(images.device)
        if turn:  # the first pass warms up
            best = min(best, clock() - start)
    return best
