"""What the terminal and the batch system say: the first SIGINT or SIGTERM as a wish to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def first_signal_to(tell: Callable[[int], None]) -> Iterator[None]:
    """Hand the first SIGINT or SIGTERM to ``tell``; the next acts as ever.

    Outside the main thread, where signals do not arrive, nothing is watched.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def notice(number: int, _frame: FrameType | None) -> None:
        for known, handler in before.items():
            signal.signal(known, handler)
        tell(number)

    for number in before:
        signal.signal(number, notice)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
