"""What the terminal and the batch system say: the first signal to stop as a request."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from napari_cryoorient.processes.interrupts import STOPPING, note_signal


@contextmanager
def first_signal_to(tell: Callable[[int], None]) -> Iterator[None]:
    """Hand the first signal to stop to ``tell``; the next acts as ever.

    Outside the main thread, where signals do not arrive, nothing is watched; nor is a closed
    terminal where the user has said not to (nohup).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and before[hangup] == signal.SIG_IGN:
        del before[hangup]

    def notice(number: int, _frame: FrameType | None) -> None:
        for known, handler in before.items():
            signal.signal(known, handler)
        note_signal(number)
        tell(number)

    for number in before:
        signal.signal(number, notice)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
