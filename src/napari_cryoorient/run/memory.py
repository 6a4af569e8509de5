"""How much memory this process holds, on the machine and on its GPU."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PAGE_FIELD = 1  # of /proc/self/statm: resident pages


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
