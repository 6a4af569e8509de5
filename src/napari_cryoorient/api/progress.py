"""What the functions of this room tell their caller, and may be told meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from napari_cryoorient.stack.chunks import Stopped

__all__ = ["Advance", "Say", "ShouldStop", "Stopped", "silent"]

Advance = Callable[[int, int], None]
"""Is told how many are done, and of how many."""
Say = Callable[[str], None]
"""Is told a sentence for the user."""
ShouldStop = Callable[[], bool]
"""Is asked now and then whether to stop; the work then raises ``Stopped``."""


def silent(sentence: str) -> None:
    """Say nothing."""
