"""Whether a process of this machine is alive: what a dead one left may be removed."""

from __future__ import annotations

import os
from pathlib import Path


def is_alive(pid: object) -> bool:
    """Tell whether a process of this machine is alive; True where that cannot be found out."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    if os.name == "nt":  # os.kill would end it; the heartbeat has to do
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Tell a process that has ended but whose parent has not looked; Linux only."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "Z"
