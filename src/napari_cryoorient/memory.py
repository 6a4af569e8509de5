"""How much memory this process holds, on the machine and on its GPU, and may still have."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from napari_cryoorient.budget import Budget, budget_in_force, held_to
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import is_model_path, voxels_along

if TYPE_CHECKING:
    import torch

PAGE_FIELD = 1  # of /proc/self/statm: resident pages
# Bytes for each voxel of the box, from peaks measured at boxes of 192 to 512: of
# commands that make maps and images, then of those that compare them.
PROJECTIONS, MASKED_CORRELATION = 60, 80
MATCHED, SEARCHED, TURNED, CORRELATED = 45, 77, 74, 40
# Bytes for the poses, CTF and row of a particle that is made.
PARTICLE = 1600
# Of what is free, unless the user says how much: chunks take no more.
PART_OF_FREE = 0.5

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def budget_of(memory_gib: float | None) -> Budget | None:
    """Return what a setting allows, a part of what is free where it is None.

    None where that is not known either.
    """
    if memory_gib is not None:
        return Budget(int(memory_gib * 2**30), is_given=True)
    free = available_bytes()
    return None if free is None else Budget(int(PART_OF_FREE * free))


def within_memory(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Hold a function to the memory that its argument ``config`` allows.

    One that is called by another goes by its own setting, and by the other's where it has none.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def held(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        memory_gib = given.arguments["config"].memory_gib
        is_settled = memory_gib is None and budget_in_force() is not None
        with held_to(None if is_settled else budget_of(memory_gib)):
            return function(*args, **kwargs)

    return held


def memory_in_use() -> dict[str, int]:
    """Return ``resident_bytes`` and, with CUDA or MPS at work, ``gpu_bytes``: what tensors hold.

    What the system does not tell is left out.  Where it tells the peak only (macOS), that counts.
    """
    found = {}
    resident = _resident_bytes()
    if resident is not None:
        found["resident_bytes"] = resident
    on_gpu = _gpu_bytes()
    if on_gpu is not None:
        found["gpu_bytes"] = on_gpu
    return found


def _resident_bytes() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[PAGE_FIELD])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else 1024 * peak)


def _gpu_bytes() -> int | None:
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return int(torch.cuda.memory_allocated())
    if torch.backends.mps.is_available():
        return int(torch.mps.current_allocated_memory())
    return None


def refuse_beyond(needed_bytes: float, what: str, instead: str = "choose a smaller box") -> None:
    """Raise InputError where ``what`` needs more memory than this process can or may have."""
    available, budget = available_bytes(), budget_in_force()
    if budget is not None and budget.is_given and needed_bytes > budget.n_bytes:
        raise InputError(
            f"{what} needs about {needed_bytes / 2**30:.1f} GiB of memory, and "
            f"{budget.n_bytes / 2**30:.1f} GiB are allowed: {instead}, or allow more (--memory)."
        )
    if available is not None and needed_bytes > available:
        raise InputError(
            f"{what} needs about {needed_bytes / 1e9:.1f} GB of memory, and "
            f"{available / 1e9:.1f} GB are free for it: {instead}, or take a machine with more."
        )


def refuse_map_beyond(path: Path, bytes_a_voxel: int, what: str) -> None:
    """Raise InputError where ``what`` needs more memory for a map than there is, read or not."""
    edge = None if is_model_path(path) else voxels_along(path)
    if edge is not None:
        refuse_beyond(
            bytes_a_voxel * edge**3, f"{what} of {edge} voxels a side", "take one in a smaller box"
        )


def refuse_simulating_beyond(n: int, box: int | None, device: torch.device) -> None:
    """Raise InputError where n particles, or projections in this box, need too much memory."""
    refuse_beyond(PARTICLE * n, f"Simulating {n} particles", "choose fewer with --n")
    if box is not None and device.type == "cpu":
        refuse_beyond(PROJECTIONS * box**3, f"Simulating in a box of {box}")


def available_bytes() -> int | None:
    """Return how much memory this process can still have; None where the system does not tell.

    The least of what the machine has free, what the control group allows (containers, batch
    systems), and what ``ulimit -v`` allows.
    """
    known = [_free_of_machine(), _free_of_group(), _free_of_limit()]
    return min((each for each in known if each is not None), default=None)


def _free_of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith("MemAvailable:"))
        return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        return None


def _free_of_group(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Ask this process's group and all above it; version 2 of control groups, then version 1."""
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    found = []
    for line in groups:
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            top, names = root, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top = root / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = top / name.lstrip("/")
        while True:
            found.append(_free_of_one_group(group, *names))
            if group == top or top not in group.parents:
                break
            group = group.parent
    return min((each for each in found if each is not None), default=None)


def _free_of_one_group(group: Path, limit: str, usage: str, cache: str) -> int | None:
    try:
        allowed, used = ((group / name).read_text().strip() for name in (limit, usage))
        if allowed == "max":
            return None
        statistics = (group / "memory.stat").read_text().splitlines()
        cached = sum(int(line.split()[1]) for line in statistics if line.split()[0] == cache)
        return max(0, int(allowed) - int(used) + cached)
    except (OSError, ValueError, IndexError):
        return None


def _free_of_limit() -> int | None:
    try:
        import resource

        allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
        if allowed == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return max(0, allowed - pages * os.sysconf("SC_PAGE_SIZE"))
    except (ImportError, OSError, ValueError, IndexError):
        return None
