"""Which device to compute on, and how to speak of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from napari_cryoorient.errors import InputError

# torch.OutOfMemoryError came after the oldest torch this package runs on.
OutOfMemory: type[Exception] = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises InputError when a device is asked for by name and this machine has none.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, is_there in available.items() if is_there))
    kind = name.split(":")[0]
    if kind not in available:
        raise InputError(f"Unknown device {name!r}: use auto, cuda, mps or cpu.")
    if not available[kind]:
        raise InputError(
            f"Device {name!r} is not available to PyTorch {torch.__version__} on this machine: "
            "use --device auto or cpu."
        )
    return torch.device(name)


# What is done together on a GPU takes at most this part of the memory that is free.
_PART_OF_GPU = 0.125
# Metal does not tell what is free.
_MPS_BYTES = 1 << 30


# However much fits, work on many things is cut into so many parts that reading goes on beside it,
# unless they are as small as this.
_PARTS, _SMALL_PART = 4, 4096


def part_of(n: int, most: int) -> int:
    """Return how many of n things to work on together, where memory lets ``most``."""
    return min(most, max(_SMALL_PART, math.ceil(n / _PARTS)))


def room_for(bytes_each: float, device: torch.device, *, cpu: int, most: int) -> int:
    """Return how many things of so many bytes to work on together, 1 at least.

    On a GPU as many as its free memory lets, ``most`` at the most: each call there costs the host
    the same for few as for many.  On a CPU always ``cpu``, whose arrays its caches hold.
    """
    if device.type == "cpu":
        return cpu
    n_bytes = _MPS_BYTES
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        n_bytes = int((free + kept) * _PART_OF_GPU)
    return max(1, min(most, int(n_bytes / bytes_each)))


def describe_device(device: torch.device) -> str:
    """Name the device for a person, such as ``"cuda (NVIDIA H200)"``."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    if device.type == "mps":
        return "mps (Apple GPU)"
    n = torch.get_num_threads()
    return f"cpu ({n} thread{'s' if n > 1 else ''})"


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given; for timing."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextmanager
def one_thread_each(device: torch.device) -> Iterator[int]:
    """Keep torch from splitting the small arrays of threads that are the split themselves.

    Gives how many such threads suit ``device``: the cores torch would have used, or 1.
    """
    if device.type != "cpu":
        yield 1
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out, on any device."""
    if isinstance(error, OutOfMemory | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "not enough memory" in text or "can't allocate memory" in text
    )


def release_memory(device: torch.device) -> None:
    """Give cached memory back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
