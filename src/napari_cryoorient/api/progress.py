"""What the functions of this room tell their caller, and may be told meanwhile."""

from __future__ import annotations

from napari_cryoorient.reporting import SILENT, Advance, Reporter, Say, ShouldStop
from napari_cryoorient.stack.chunks import Stopped

__all__ = ["Advance", "Say", "ShouldStop", "Stopped", "reporter_of", "silent"]


def reporter_of(
    progress: Advance | None = None, say: Say | None = None, should_stop: ShouldStop | None = None
) -> Reporter:
    """Return what the core reports to, made of the functions a caller gave."""

    def advance(
        done: float,
        total: float,
        *,
        time_left_s: float | None = None,  # noqa: ARG001
        note: str = "",  # noqa: ARG001
    ) -> None:
        if progress is not None:
            progress(int(done), int(total))

    return Reporter(
        say=say or SILENT.say, progress=advance, should_stop=should_stop or SILENT.should_stop
    )


def silent(sentence: str) -> None:
    """Say nothing."""
