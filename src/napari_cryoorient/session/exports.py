"""What the Export step does: poses to a STAR file, and pictures of what is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from napari_cryoorient.session.background import BackgroundJobs, Notify
from napari_cryoorient.session.export import ExportedPoses, export_poses
from napari_cryoorient.session.readout import name_of
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.words import counted

# Which particles are written: all, those the filter and the marks keep, those rejected by hand.
Subset = Literal["all", "kept", "rejected"]
FigureKind = Literal["triptych", "directions", "curves"]


class Exports:
    """Files made of what the session shows, in the background."""

    def __init__(self, session: Session, jobs: BackgroundJobs, notify: Notify) -> None:
        self.session = session
        self._jobs = jobs
        self._notify = notify

    def poses(self, path: Path, which: Subset = "all") -> None:
        """Write poses to a STAR file: of all particles, of those kept, or of those rejected."""
        session = self.session
        data, inspection = session.data, session.inspection
        rows = None
        if which == "kept":
            rows = session.selected()
        elif which == "rejected":
            rows = session.rejected()

        def tell(done: ExportedPoses) -> None:
            said = (
                f"{counted(done.n_particles, 'particle')} written, "
                f"{counted(done.n_kept_columns, 'other column')} as before: {done.path}"
            )
            if done.beside is not None:
                said += (
                    "\n\nIts images are named as in the file it was made from, and are not found "
                    f"from there: move it beside {done.beside}"
                )
            self._notify.info(said)

        self._jobs.start(
            "Exporting",
            lambda: export_poses(data, inspection, path, rows, session.project_dir),
            tell,
            self._notify.error,
        )

    def figure(self, kind: FigureKind, path: Path, n_particles: int = 1) -> None:
        """Draw what is shown: particles from the current one on, the directions, or the curves."""
        session = self.session
        data, inspection, low_pass = session.data, session.inspection, session.low_pass_angstrom
        particles = session.particles_from_here(n_particles)
        criterion, kept, runs = session.criterion, session.selection_mask(), session.shown_runs()

        def draw() -> Path:
            from napari_cryoorient.session import pictures

            if kind == "triptych":
                names = [name_of(data, int(inspection.rows[i])) for i in particles]
                pictures.save_triptych(
                    path, inspection, particles, names, low_pass_angstrom=low_pass
                )
            elif kind == "directions":
                pictures.save_directions(path, inspection, criterion, kept)
            else:
                pictures.save_run_curves(path, runs)
            return path

        self._jobs.start(
            "Drawing", draw, lambda done: self._notify.info(f"Drawn: {done}"), self._notify.error
        )
