"""The run folder, from the side of a process that trains along and leaves writing to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_cryoorient.particles import Integers
from napari_cryoorient.runs.record import State


class SilentFolder:
    """Takes what ``RunFolder`` takes of a run, and writes nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def update(self, **values: Any) -> None:
        """Leave it to the process that writes."""

    def offer_control(self, w: float, *, overwrite: bool) -> None:
        """Leave it to the process that writes."""

    def note(self, sentence: str) -> None:
        """Leave it to the process that writes."""

    def drop_metrics_after(self, step: int) -> None:
        """Leave it to the process that writes."""

    def write_split(self, train_rows: Integers, test_rows: Integers) -> None:
        """Leave it to the process that writes."""

    def close(self, state: State, reason: str | None = None) -> None:
        """Leave it to the process that writes."""
