"""A trained network, from memory or from a run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cryoorient.api.files import AnyPath
from napari_cryoorient.config import TrainConfig
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.training.checkpoint import read_checkpoint, write_checkpoint
from napari_cryoorient.training.report import Metrics


@dataclass(frozen=True, eq=False, repr=False)
class TrainedNetwork:
    """A network that tells poses, with all that predicting with it needs.

    ``state`` is the checkpoint; ``last`` are the last figures of its training, where they are
    known; ``folder`` is its run folder, None for one that was trained in memory.
    """

    state: dict[str, Any]
    last: Metrics | None = None
    folder: Path | None = None

    @staticmethod
    def read(path: AnyPath) -> TrainedNetwork:
        """Read a run folder, or a checkpoint alone; raises InputError where there is none."""
        path = Path(path)
        if not path.is_dir():
            return TrainedNetwork(read_checkpoint(path))
        lines, _ = RunReader(path).new_metrics()
        last = Metrics(**lines[-1]) if lines else None
        return TrainedNetwork(read_checkpoint(path / layout.CHECKPOINT), last, path)

    def write(self, path: AnyPath) -> None:
        """Write the checkpoint, for ``TrainedNetwork.read`` and for ``predict``."""
        write_checkpoint(self.state, Path(path))

    @property
    def config(self) -> TrainConfig:
        """The settings it was trained with."""
        return TrainConfig(**self.state["config"])

    def __repr__(self) -> str:
        config, steps = self.config, int(self.state["step"])
        error = ""
        if self.last is not None and self.last.angular_error_deg is not None:
            error = f", median error {self.last.angular_error_deg:.1f} degrees"
        return f"TrainedNetwork({config.preset}, {config.symmetry}, {steps} steps{error})"
