"""What controllers need of the window: work done elsewhere, and a voice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from napari_cryoorient.session.follow import RunView
from napari_cryoorient.session.launch import Launched

T = TypeVar("T")


class BackgroundJobs(Protocol):
    """Runs things elsewhere and hands their results over in the caller's thread."""

    def start(
        self,
        kind: str,
        function: Callable[[], Any],
        then: Callable[[Any], None],
        otherwise: Callable[[str], None],
    ) -> None:
        """Run ``function``; then its result goes to ``then``, or a sentence to ``otherwise``."""
        ...

    def follow_run(
        self, path: Path, launched: Launched | None, then: Callable[[RunView], None]
    ) -> None:
        """Hand over a view of the run at each look with news."""
        ...

    def follow(
        self, what: str, looks: Callable[[], Iterator[T | None]], then: Callable[[T], None]
    ) -> None:
        """Hand over what a stream of looks finds, Nones left out; one stream for each name."""
        ...

    def stop_following(self, what: str = "run") -> None:
        """Hear no more of the stream of this name."""
        ...


class Notify(Protocol):
    """Tells the user a sentence."""

    def info(self, sentence: str) -> None:
        """Tell that something went well."""
        ...

    def warning(self, sentence: str) -> None:
        """Tell of something to look at."""
        ...

    def error(self, sentence: str) -> None:
        """Tell that something did not work."""
        ...
