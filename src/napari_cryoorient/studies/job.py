"""One training run of a study: its name, its folder, and the command line that trains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.config.base import source_arguments
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.settings import OF_THE_MACHINE


@dataclass(frozen=True)
class Job:
    """A run to be trained; ``facts`` are what sets it apart, columns of the study's table."""

    name: str
    folder: Path
    arguments: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def command(self) -> tuple[str, ...]:
        """Return the arguments that begin the run, or go on with what is in its folder.

        Whoever calls has seen that no other process is at it.
        """
        if RunReader(self.folder).status().state == "absent":
            return self.arguments
        # A run without a checkpoint starts over, which the training itself sees to.
        if not (self.folder / layout.CHECKPOINT).is_file():
            return self.arguments
        return (*self.arguments, "--resume")


@dataclass(frozen=True)
class TrainingCommand:
    """What all runs of a study have in common: stack, map and settings of ``train``.

    ``settings`` are fields of ``TrainConfig`` that the user gave; the model knows the others.
    """

    star: Path
    map: Path
    settings: Mapping[str, Any]
    project_dir: Path | None = None
    map_pixel_size_angstrom: float | None = None

    def job(self, name: str, runs: Path, facts: Mapping[str, Any], **changes: Any) -> Job:
        """Make the run ``name`` in ``runs``, with ``changes`` to the settings."""
        folder = runs / name
        arguments = ["train", str(self.star), "--map", str(self.map), "-o", str(folder)]
        arguments += TrainConfig.arguments_of({**self.settings, **changes})
        arguments += source_arguments(self.map_pixel_size_angstrom, self.project_dir)
        return Job(name, folder, tuple(arguments), facts)

    def described(self) -> dict[str, Any]:
        """Return what has to be the same when a study continues; where to compute need not be."""
        given = {k: v for k, v in self.settings.items() if k not in OF_THE_MACHINE}
        return {
            "star": str(self.star.resolve()),
            "map": str(self.map.resolve()),
            "star_bytes": _size(self.star),
            "map_bytes": _size(self.map),
            "pixel_size_angstrom": self.map_pixel_size_angstrom,
            "project_dir": None if self.project_dir is None else str(self.project_dir.resolve()),
            "training": given,
        }


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
