"""How evenly the views of the stack's poses cover Fourier space, found by a command of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from napari_cryoorient.particles import Floats, Integers
from napari_cryoorient.session.background import BackgroundJobs, Notify
from napari_cryoorient.session.export import export_poses
from napari_cryoorient.session.launch import next_run_dir
from napari_cryoorient.session.pose_jobs import PoseJobs
from napari_cryoorient.session.process_job import JobView
from napari_cryoorient.session.session import Session

TITLE = "Orientations"
PAGES = (".pdf", ".png")
KEPT = "kept.star"  # what is looked at where a threshold, marks or micrographs leave some out


@dataclass(frozen=True, eq=False)
class Report:
    """What ``orientations`` found: its figures by name, as with ``--json``."""

    figures: dict[str, Any]
    is_of_kept: bool = False

    @property
    def view_counts(self) -> Integers:
        """Particles seen from each HEALPix pixel ``(768,)``, equivalents among them."""
        return np.asarray(self.figures["view_counts"], dtype=np.int64)

    @property
    def scf_star_by_tilt(self) -> tuple[Floats, Floats]:
        """Tilts of the stage in degrees and the SCF* they would give."""
        found = self.figures["scf_star_by_tilt_deg"]
        return np.array([float(tilt) for tilt in found]), np.array(list(found.values()))

    @property
    def has_half_maps(self) -> bool:
        """Whether half-maps were given."""
        return "cfar" in self.figures

    def words(self) -> str:
        """Say the figures in a line."""
        f = self.figures
        cfar = f", cFAR {f['cfar']:.2f}" if self.has_half_maps else ""
        kept = " kept" if self.is_of_kept else ""
        return (
            f"{f['n']:,} particles{kept}: SCF {f['scf']:.2f}, SCF* {f['scf_star']:.2f}{cfar}; "
            f"{f['empty_share']:.1%} of Fourier space is empty."
        )


class Orientations:
    """Starts the command, and keeps what it found of the poses that are inspected."""

    changed = Signal()

    def __init__(
        self, session: Session, jobs: BackgroundJobs, commands: PoseJobs, notify: Notify
    ) -> None:
        self._session = session
        self._jobs = jobs
        self._commands = commands
        self._notify = notify
        self.half_maps: tuple[Path, Path] | None = None
        self._found: Report | None = None
        self._of: object = None  # the poses of it
        self._folder: Path | None = None

    @property
    def report(self) -> Report | None:
        """What was found of the poses that are inspected now; None where nothing was."""
        is_theirs = self._of is not None and self._of is self._session.inspection.shown_poses
        return self._found if is_theirs else None

    @property
    def can_start(self) -> bool:
        """Whether there are poses in a file, and nothing else is being computed."""
        is_free = not self._commands.is_going and not self._session.is_training
        kind = self._session.inspection.kind
        has_file = kind in ("poses", "predictions", "images") and self._path is not None
        return is_free and has_file and self._session.inspection.shown_poses is not None

    @property
    def is_going(self) -> bool:
        """Whether the report is being made."""
        view = self._commands.view
        return self._commands.is_going and view is not None and view.folder == self._folder

    def start(self) -> None:
        """Look at the views of what is kept, and at the half-maps if they were named."""
        self._start([], None)

    def _start(self, more: list[str], page: Path | None) -> None:
        path, data = self._path, self._session.data
        if not self.can_start or path is None or data.star_path is None:
            return
        session, inspection = self._session, self._session.inspection
        folder = self._folder = next_run_dir(data.star_path.parent / "cryoorient", "orientations")
        if not session.is_filtered or len(session.selected()) == len(inspection):
            self._run(path, folder, more, page, is_of_kept=False)
            return
        rows = session.selected()

        def write_kept() -> Path:
            folder.mkdir(parents=True, exist_ok=True)
            return export_poses(data, inspection, folder / KEPT, rows, session.project_dir).path

        def go_on(kept: Path) -> None:
            if session.inspection.shown_poses is inspection.shown_poses:
                self._run(kept, folder, more, page, is_of_kept=True)

        self._jobs.start("Writing what is kept", write_kept, go_on, self._notify.error)

    def _run(
        self, path: Path, folder: Path, more: list[str], page: Path | None, *, is_of_kept: bool
    ) -> None:
        poses, settings = self._session.inspection.shown_poses, self._session.settings
        arguments = ["orientations", str(path), "--symmetry", settings.symmetry, *more]
        if self.half_maps is not None:
            for name, half in zip(("--half1", "--half2"), self.half_maps, strict=True):
                arguments += [name, str(half)]
            arguments += ["--mask", "auto"]

        def take(view: JobView) -> None:
            if view.state == "finished" and "scf_star" in view.results:
                self._found, self._of = Report(view.results, is_of_kept), poses
                if page is not None:
                    self._notify.info(f"Drawn: {page}")
            self.changed.emit()

        self._commands.start_command(TITLE, arguments, folder, take)

    def save_page(self, path: Path) -> None:
        """Draw the report on a page of its own, as PDF or PNG: the command once more."""
        if path.suffix.lower() not in PAGES:
            self._notify.error(f"{path.name}: choose a name that ends in .pdf or .png.")
            return
        self._start(["-o", str(path)], path)

    @property
    def _path(self) -> Path | None:
        predictions = self._session.predictions
        if predictions is not None and self._session.inspection.kind == "predictions":
            return predictions.path
        return self._session.data.star_path
