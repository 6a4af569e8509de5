"""How work reports what it does, and learns that it is to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

Say = Callable[[str], None]
"""Receives a sentence for the user."""
Advance = Callable[[int, int], None]
"""Receives how many are done, and of how many."""
ShouldStop = Callable[[], bool]
"""Asked now and then: whether to stop."""


class Progress(Protocol):
    """Receives how much is done, and of how much; time left and a note where they are known."""

    def __call__(
        self, done: float, total: float, *, time_left_s: float | None = None, note: str = ""
    ) -> None:
        """Show it."""


def _say_nothing(sentence: str) -> None:
    """Say nothing."""


def _show_nothing(
    done: float,
    total: float,
    *,
    time_left_s: float | None = None,
    note: str = "",
) -> None:
    """Show nothing."""


def _go_on() -> bool:
    return False


@dataclass(frozen=True)
class Reporter:
    """Where work reports its progress; every part may be left out.

    ``say`` receives sentences for the user, ``step`` the name of each part of the work before it
    starts, ``progress`` how far that part is; ``should_stop`` is asked now and then.
    """

    say: Say = _say_nothing
    step: Say = _say_nothing
    progress: Progress = _show_nothing
    should_stop: ShouldStop = _go_on

    @property
    def has_listener(self) -> bool:
        """Whether anybody listens: what is computed only for a sentence can be left out."""
        return self.say is not _say_nothing

    def part(self, start: float, total_of_all: float) -> Reporter:
        """Return the reporter of a part of this work, which begins at ``start`` of the total."""

        def progress(
            done: float,
            total: float,  # noqa: ARG001
            *,
            time_left_s: float | None = None,  # noqa: ARG001
            note: str = "",
        ) -> None:
            self.progress(start + done, total_of_all, note=note)

        return replace(self, progress=progress)

    def watched(self, watch: Callable[[float, float], None]) -> Reporter:
        """Return one that calls ``watch(done, total)`` too, each time that progress is made."""

        def progress(
            done: float, total: float, *, time_left_s: float | None = None, note: str = ""
        ) -> None:
            watch(done, total)
            self.progress(done, total, time_left_s=time_left_s, note=note)

        return replace(self, progress=progress)


SILENT = Reporter()


def format_duration(seconds: float) -> str:
    """Write a duration as ``42 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
