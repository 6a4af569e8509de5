"""Requests to stop a run or to change it, from a file, the terminal and the batch system."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from napari_cryoorient.processes.signals import first_signal_to
from napari_cryoorient.runs.folder import FileControl
from napari_cryoorient.training.report import Request


class Steering:
    """Joins the requests of ``control.json`` with those of the terminal and the batch system."""

    def __init__(self, folder: Path) -> None:
        self.tell: Callable[[str], None] = lambda sentence: None  # of what is not understood
        self._file = FileControl(folder, lambda sentence: self.tell(sentence))
        self.signalled: int | None = None
        self.can_save = False  # before the first step an interrupt ends the run at once

    def poll(self) -> Request:
        """Return the latest request; a signal is one to stop."""
        request = self._file.poll()
        return Request(request.w, stop=True) if self.signalled is not None else request

    def should_stop(self) -> bool:
        """Tell whether anybody wants the run to stop."""
        return self.poll().stop

    def watching_signals(self) -> AbstractContextManager[None]:
        """Take the first signal to stop as a request; the next acts as ever."""
        return first_signal_to(self._notice)

    def _notice(self, number: int) -> None:
        self.signalled = number
        if not self.can_save:
            raise KeyboardInterrupt
