"""Loaded by each worker on this machine as it starts: Ctrl-C is for the command alone."""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:  # noqa: ARG001
    """Leave a worker's end to the command, which keeps what is done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
