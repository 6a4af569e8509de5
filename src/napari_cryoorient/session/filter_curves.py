"""What a threshold on the confidence keeps, and what the map makes of it, by one command.

Kept particles and expected wrong poses are counted for any threshold from the confidences
themselves; resolutions lie between those of the thresholds that were reconstructed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from psygnal import Signal

from napari_cryoorient.config.base import source_arguments
from napari_cryoorient.particles import Floats, Integers
from napari_cryoorient.session.background import Notify
from napari_cryoorient.session.criteria import as_shown
from napari_cryoorient.session.inspection import Inspection
from napari_cryoorient.session.launch import next_run_dir
from napari_cryoorient.session.pose_jobs import PoseJobs
from napari_cryoorient.session.process_job import JobView
from napari_cryoorient.session.session import Session

TITLE = "Filter curve"


@dataclass(frozen=True, eq=False)
class Resolutions:
    """Particles kept ``(t,)``, falling, and the resolutions of their maps; NaN where unknown."""

    kept: Integers
    half_map_angstrom: Floats
    reference_angstrom: Floats
    best_threshold: float

    def at(self, n_kept: float) -> tuple[float, float]:
        """Return both resolutions for so many particles, from those reconstructed beside."""
        return _between(n_kept, self.kept, self.half_map_angstrom), _between(
            n_kept, self.kept, self.reference_angstrom
        )


def _between(n_kept: float, kept: Integers, values: Floats) -> float:
    known = np.isfinite(values)
    if not known.any() or n_kept < kept[known].min():
        return float("nan")
    order = np.argsort(kept[known])
    return float(np.interp(n_kept, kept[known][order], values[known][order]))


@dataclass(frozen=True)
class Kept:
    """What a threshold keeps: of ``n`` particles ``kept``, so many of them expected to be wrong."""

    n: int
    kept: int
    expected_wrong: float


def kept_at(confidence: Floats, threshold: float) -> Kept:
    """Count as the window filters: confidences as they are shown."""
    is_kept = as_shown("confidence", confidence) >= as_shown("confidence", np.asarray(threshold))
    return Kept(len(confidence), int(is_kept.sum()), float((1 - confidence[is_kept]).sum()))


class FilterCurves:
    """Reconstructs for ten thresholds in a process of its own, and keeps what came of it."""

    changed = Signal()

    def __init__(self, session: Session, commands: PoseJobs, notify: Notify) -> None:
        self._session = session
        self._commands = commands
        self._notify = notify
        self._found: Resolutions | None = None
        self._of: object = None  # the poses of it
        self._folder: Path | None = None

    @property
    def resolutions(self) -> Resolutions | None:
        """What was found of the poses that are inspected now; None where nothing was."""
        is_theirs = self._of is not None and self._of is self._session.inspection.shown_poses
        return self._found if is_theirs else None

    @property
    def confidence(self) -> Floats | None:
        """How sure each particle inspected is, where that is known of all."""
        inspection = self._session.inspection
        values = inspection.confidence
        is_known = values is not None and len(values) > 0 and np.isfinite(values).all()
        return (
            values if is_known and inspection.kind in ("poses", "predictions", "images") else None
        )

    @property
    def can_start(self) -> bool:
        """Whether there are poses with confidences, and nothing else is being computed."""
        is_free = not self._commands.is_going and not self._session.is_training
        return is_free and self.confidence is not None

    @property
    def is_going(self) -> bool:
        """Whether the curve is being computed."""
        view = self._commands.view
        return self._commands.is_going and view is not None and view.folder == self._folder

    def start(self) -> None:
        """Compute the curve of what is inspected."""
        data, inspection, settings = (
            self._session.data,
            self._session.inspection,
            self._session.settings,
        )
        path = self._file_of(inspection)
        if not self.can_start or path is None or data.star_path is None:
            return
        folder = self._folder = next_run_dir(data.star_path.parent / "cryoorient", "filter")
        arguments = ["filter-curve", str(path), "--csv", str(folder / "curve.csv")]
        if data.is_trainable:
            arguments += ["--map", str(data.map_path)]
            arguments += ["--invert-contrast", settings.invert_contrast]
        arguments += ["--symmetry", settings.symmetry, "--device", settings.device]
        pixel_size = data.map_pixel_size_angstrom if data.is_trainable else None
        arguments += source_arguments(pixel_size, self._session.project_dir)

        def take(view: JobView) -> None:
            curve = view.results.get("curve")
            if view.state == "finished" and curve:
                columns = {
                    name: np.array([_number(row[name]) for row in curve])
                    for name in ("kept", "half_map_angstrom", "reference_angstrom")
                }
                self._found = Resolutions(
                    columns["kept"].astype(np.int64),
                    columns["half_map_angstrom"],
                    columns["reference_angstrom"],
                    float(view.results["best_threshold"]),
                )
                self._of = inspection.shown_poses
            self.changed.emit()

        self._commands.start_command(TITLE, arguments, folder, take)

    def _file_of(self, inspection: Inspection) -> Path | None:
        """Return the file that the poses and confidences inspected are in."""
        predictions = self._session.predictions
        if predictions is not None and inspection.kind == "predictions":
            return predictions.path
        return self._session.data.star_path


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
