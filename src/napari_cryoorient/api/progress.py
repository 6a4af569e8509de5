"""What the functions of this room tell their caller, and may be told meanwhile."""

from __future__ import annotations

from napari_cryoorient.reporting import SILENT, Advance, Reporter, Say, ShouldStop
from napari_cryoorient.stack.chunks import Stopped

__all__ = ["Advance", "Say", "ShouldStop", "Stopped", "reporter_of"]


def reporter_of(
    progress: Advance | None = None, say: Say | None = None, should_stop: ShouldStop | None = None
) -> Reporter:
    """Return what the core reports to, made of the functions a caller gave."""
    made = Reporter(say=say or SILENT.say, should_stop=should_stop or SILENT.should_stop)
    if progress is None:
        return made
    return made.watched(lambda done, total: progress(int(done), int(total)))
