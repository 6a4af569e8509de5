"""A program that is to end with whoever started it, however that one ends."""

from __future__ import annotations

import os
import signal

from napari_cryoorient.environment import ENDS_WITH_INPUT


def end_with_input() -> None:
    """Stop once standard input is closed, where the environment says so."""
    if os.environ.pop(ENDS_WITH_INPUT, None) is None:
        return
    import threading

    threading.Thread(target=_stop_at_the_end, daemon=True).start()


def _stop_at_the_end() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # Ctrl-C may be turned off, as it is for workers
