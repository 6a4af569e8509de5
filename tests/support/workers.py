"""What each of several processes that share the tests has to itself: its screen, its thread."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1  # of Linux's prctl
MOST_WORKERS = 8  # each holds about a gigabyte


def is_worker() -> bool:
    """Tell whether this process is one of several that share the tests (pytest-xdist)."""
    return "PYTEST_XDIST_WORKER" in os.environ


def number_of_workers() -> int:
    """Return how many processes this machine's cores are good for.

    One more than there are cores: a test that waits, for a program's start or a window's timer,
    leaves its core to another.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cores + 1, MOST_WORKERS)


def take_one_thread() -> None:
    """Let this worker, and the programs it starts, compute with one thread; before torch comes."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def take_own_screen() -> None:
    """Give this worker a screen of its own, by Xvfb: windows on one take each other's focus."""
    if not sys.platform.startswith("linux") or shutil.which("Xvfb") is None:
        return
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24"]
    server = subprocess.Popen(
        [*command, "-nolisten", "tcp"],
        pass_fds=(writing,),
        stderr=subprocess.DEVNULL,
        preexec_fn=_end_with_the_worker,
    )
    atexit.register(server.terminate)
    os.close(writing)
    with os.fdopen(reading) as number:
        display = number.readline().strip()
    if not display:
        raise RuntimeError("Xvfb did not start; the tests can be run in one process, with -n 0")
    os.environ.pop("WAYLAND_DISPLAY", None)
    os.environ |= {"DISPLAY": f":{display}", "QT_QPA_PLATFORM": "xcb", "LIBGL_ALWAYS_SOFTWARE": "1"}


def _end_with_the_worker() -> None:
    """Have Linux stop this program when the one that started it ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
