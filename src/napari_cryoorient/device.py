"""Which device to compute on, and how to speak of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_cryoorient.budget import budget_in_force
from napari_cryoorient.errors import InputError

Result = TypeVar("Result")

# torch.OutOfMemoryError came after the oldest torch this package runs on.
OutOfMemory: type[Exception] = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``; "auto" takes CUDA, then Apple's MPS, then the CPU.

    MPS is taken where it does what is needed: older ones lack operations.

    Raises InputError when a device is asked for by name and this machine has none.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        if not available["cuda"] and available["mps"] and not is_able(torch.device("mps")):
            return torch.device("cpu")
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


@functools.cache
def is_able(device: torch.device) -> bool:
    """Tell whether a device can project: a slice of a small transform, and a pass backwards."""
    try:
        transform = torch.ones(1, 2, 5, 5, 3, device=device)
        points = torch.zeros(1, 1, 1, 15, 3, device=device, requires_grad=True)
        real, imaginary = torch.nn.functional.grid_sample(
            transform, points, align_corners=True, padding_mode="zeros"
        )[0, :, 0, 0]
        half_plane = torch.complex(real, imaginary).view(5, 3)
        image = torch.fft.fftshift(torch.fft.irfft2(half_plane, s=(5, 5)))
        image.square().sum().backward()
        return points.grad is not None and bool(points.grad.isfinite().all())
    except (RuntimeError, NotImplementedError, TypeError, AssertionError):
        return False


def on_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Copy an array to a device as float32; to CUDA through pinned memory, without waiting."""
    tensor = torch.tensor(array, dtype=torch.float32)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def in_numpy(tensor: Tensor) -> NDArray[np.float64]:
    """Copy a tensor's numbers from its device, as float64."""
    return np.array(tensor.cpu().numpy(), dtype=np.float64)


# What is done together on a GPU takes at most this part of the memory that is free, or allowed.
_PART_OF_GPU = 0.125
# On a CPU it takes this much at the most, however much is free, so that machines that differ find
# the same; and this part of what is allowed, shared by the threads.
_CPU_BYTES, _PART_OF_CPU = 1 << 30, 0.5
# Threads of the work that is split among them (``one_thread_each``), where that is under way.
_split_among: list[int] = []
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
    the same for few as for many.  On a CPU ``cpu``, whose arrays its caches hold, or the half of
    it, a quarter and so on, until they fit.
    """
    if device.type == "cpu":
        n, room = cpu, room_on_cpu()
        while n > 1 and n * bytes_each > room:
            n //= 2
        return n
    n_bytes = float(_MPS_BYTES)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        n_bytes = (free + kept) * _PART_OF_GPU
    budget = budget_in_force()
    if budget is not None and budget.is_given:
        n_bytes = min(n_bytes, budget.n_bytes * _PART_OF_GPU)
    return max(1, min(most, int(n_bytes / bytes_each)))


def room_on_cpu() -> float:
    """Return the bytes that what one of a CPU's threads works on may take."""
    budget = budget_in_force()
    if budget is None:
        return _CPU_BYTES
    n_threads = _split_among[-1] if _split_among else torch.get_num_threads()
    # One chunk more than there are threads is read ahead.
    return min(_CPU_BYTES, _PART_OF_CPU * budget.n_bytes / (n_threads + 1))


def in_halves(work: Callable[[slice], Result], these: slice, device: torch.device) -> list[Result]:
    """Return the result of ``work`` on a range of things, or, where memory runs out, on its halves.

    Halves are halved again; one thing that does not fit raises what ``work`` raised.
    """
    try:
        return [work(these)]
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or these.stop - these.start <= 1:
            raise
    release_memory(device)
    middle = (these.start + these.stop) // 2
    halves = slice(these.start, middle), slice(middle, these.stop)
    return [result for half in halves for result in in_halves(work, half, device)]


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
    _split_among.append(before)
    try:
        yield before
    finally:
        _split_among.remove(before)
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


_CPU_UNITS = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tell whether a device multiplies bfloat16 faster than float32.

    On CPUs these are AMX and AVX512-BF16; where bfloat16 is emulated it is slower than float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))
    if device.type == "cpu":
        asked = (getattr(torch.cpu, name, None) for name in _CPU_UNITS)  # not in every release
        return any(bool(ask()) for ask in asked if ask is not None)
    return False
