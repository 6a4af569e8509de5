"""Wishes to stop a run or to change it, from a file, the terminal and the batch system."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from napari_cryoorient.run.folder import FileControl
from napari_cryoorient.training.report import Wish


class Steering:
    """Joins the wishes of ``control.json`` with those of the terminal and the batch system."""

    def __init__(self, folder: Path) -> None:
        self._file = FileControl(folder)
        self.signalled: int | None = None
        self.can_save = False  # before the first step an interrupt ends the run at once

    def poll(self) -> Wish:
        """Return the latest wish; a signal is one to stop."""
        wish = self._file.poll()
        return Wish(wish.w, stop=True) if self.signalled is not None else wish

    def should_stop(self) -> bool:
        """Tell whether anybody wants the run to stop."""
        return self.poll().stop

    @contextmanager
    def watching_signals(self) -> Iterator[None]:
        """Take the first SIGINT or SIGTERM as a wish to stop; the next acts as ever."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

        def notice(number: int, _frame: FrameType | None) -> None:
            self.signalled = number
            for known, handler in before.items():
                signal.signal(known, handler)
            if not self.can_save:
                raise KeyboardInterrupt

        for number in before:
            signal.signal(number, notice)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
