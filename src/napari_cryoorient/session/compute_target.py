"""Where commands that the window starts do their work: here, in processes, or on a cluster."""

from __future__ import annotations

from psygnal import Signal

from napari_cryoorient.config import SpreadConfig


class ComputeTarget:
    """The user's choice, as the settings that a command is given."""

    changed = Signal()

    def __init__(self) -> None:
        self.settings = SpreadConfig()
        self.kind = "here"
        self.missing = ""  # what the choice still lacks, in a sentence

    def choose(self, kind: str, settings: SpreadConfig, missing: str = "") -> None:
        """Take a choice, of a ``kind`` of place."""
        self.kind, self.settings, self.missing = kind, settings, missing
        self.changed.emit()

    def arguments(self) -> list[str]:
        """Return the flags for a command whose particles are shared out."""
        return self.settings.arguments()

    def training_arguments(self) -> list[str]:
        """Return the flags for a training, which is one task: processes here are not for it."""
        if not (self.settings.scheduler or self.settings.cluster):
            return []
        return self.settings.arguments(leave_out={"workers", "parts"})
