"""Two refinements side by side: the stack's own poses (A) and those of another file (B).

B's poses are brought into A's frame and shown as any other poses of the stack are.  Which of the
two each image prefers, a command finds that can be stopped.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_cryoorient.config.base import source_arguments
from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Floats, Integers
from napari_cryoorient.session.background import BackgroundJobs, Notify
from napari_cryoorient.session.data import Data
from napari_cryoorient.session.inspection import Predictions
from napari_cryoorient.session.launch import next_run_dir
from napari_cryoorient.session.pose_jobs import PoseJobs
from napari_cryoorient.session.process_job import JobView
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.words import counted

if TYPE_CHECKING:
    from napari_cryoorient.diagnosis.comparison import Comparison
    from napari_cryoorient.diagnosis.pose_files import PoseFile

TABLE = "comparison.star"
KIND = "Comparing poses"
ASKING = "Asking the images"


class Refinements:
    """Compares the stack's poses with another file's, and shows what came of it."""

    changed = Signal()

    def __init__(
        self, session: Session, jobs: BackgroundJobs, commands: PoseJobs, notify: Notify
    ) -> None:
        self._session = session
        self._jobs = jobs
        self._commands = commands
        self._notify = notify
        self.found: Comparison | None = None
        self.b_path: Path | None = None
        self._of: Data | None = None  # what was compared
        self._folder: Path | None = None  # where the images' answers are written
        self._shown: Predictions | None = None
        self._before: Predictions | None = None  # what was shown before, to be shown again
        session.data_changed.connect(self._on_data)

    def close(self) -> None:
        """Leave the session alone from now on."""
        self._session.data_changed.disconnect(self._on_data)

    @property
    def can_compare(self) -> bool:
        """Whether the stack has poses to compare others with."""
        particles = self._session.data.particles
        return particles is not None and particles.poses is not None

    @property
    def can_ask_images(self) -> bool:
        """Whether there is a map that fits, and nothing else is being computed."""
        is_free = not self._commands.is_going and not self._session.is_training
        return self.found is not None and self._session.data.is_trainable and is_free

    @property
    def is_asking(self) -> bool:
        """Whether the images are being asked."""
        view = self._commands.view
        return self._commands.is_going and view is not None and view.folder == self._folder

    @property
    def is_shown(self) -> bool:
        """Whether the comparison is what the window shows."""
        return self._shown is not None and self._session.predictions is self._shown

    def compare(self, b_path: Path) -> None:
        """Compare the stack's poses with those of another file, in the background."""
        data, symmetry = self._session.data, self._session.settings.symmetry
        if not self.can_compare:
            self._notify.warning("Choose particles with poses first, under 1 Data: they are A.")
            return

        def work() -> Comparison:
            from napari_cryoorient.config import CompareConfig
            from napari_cryoorient.diagnosis.compare_files import compare_files
            from napari_cryoorient.diagnosis.pose_files import read_poses

            config = CompareConfig(symmetry=symmetry)
            return compare_files(pose_file_of(data), read_poses(b_path), config)

        def take(found: Comparison) -> None:
            if self._session.data is not data:
                return  # another stack by now
            self.found, self.b_path, self._of = found, b_path, data
            if not self.is_shown:
                self._before = self._session.predictions
            self._show(symmetry)
            self._session.set_particle(int(found.angles_deg[self._order()].argmax()))

        self._jobs.start(KIND, work, take, self._notify.error)

    def show(self) -> None:
        """Show the comparison once more, after something else was shown."""
        if self.found is not None and self._shown is not None and not self.is_shown:
            self._before = self._session.predictions
            self._session.set_predictions(self._shown)
            self.changed.emit()

    def clear(self) -> None:
        """Show what was shown before, and forget the comparison."""
        was_shown, before = self.is_shown, self._before
        self.found = self.b_path = self._of = self._shown = self._before = None
        if was_shown:
            self._session.set_predictions(before)
            if self._session.fourth == "difference":
                self._session.set_fourth("none")
        self.changed.emit()

    def ask_images(self) -> None:
        """Find which pose each image prefers, by a command of its own."""
        data, found, b_path = self._session.data, self.found, self.b_path
        if not self.can_ask_images or found is None or data.star_path is None:
            return
        folder = self._folder = next_run_dir(data.star_path.parent / "cryoorient", "compare")
        settings = self._session.settings
        arguments = ["compare", str(data.star_path), str(b_path), "--map", str(data.map_path)]
        arguments += ["-o", str(folder / TABLE), "--symmetry", settings.symmetry]
        arguments += ["--invert-contrast", settings.invert_contrast, "--device", settings.device]
        arguments += source_arguments(data.map_pixel_size_angstrom, self._session.project_dir)

        def take(view: JobView) -> None:
            if view.state == "finished" and self.found is found:
                self._jobs.start(
                    "Reading preferences",
                    lambda: read_probabilities(view.folder / TABLE, len(found)),
                    lambda values: self._take_probabilities(found, values),
                    self._notify.error,
                )

        self._commands.start_command(ASKING, arguments, folder, take)

    def agreeing(self, within_deg: float) -> Integers:
        """Return the rows of A that agree with B within an angle, those left out not among them."""
        if self.found is None:
            return np.zeros(0, dtype=np.int64)
        rows: Integers = np.sort(self.found.rows[self.found.agreeing(within_deg)])
        return np.asarray(rows[~self._session.are_left_out(rows)])

    def export_agreeing(self, path: Path, within_deg: float) -> None:
        """Write the particles of A that agree with B within an angle, every column as it was."""
        rows, data = self.agreeing(within_deg), self._of
        if self.found is None or data is None:
            return

        def work() -> int:
            from napari_cryoorient.diagnosis.pose_files import write_rows

            none = f"No particle that is kept agrees within {within_deg:g} degrees"
            return write_rows(pose_file_of(data), rows, path, none)

        def tell(n: int) -> None:
            self._notify.info(
                f"{counted(n, 'particle')} that agree within {within_deg:g}\N{DEGREE SIGN} "
                f"written, as they are in A: {path}"
            )

        self._jobs.start("Exporting", work, tell, self._notify.error)

    def _order(self) -> np.ndarray:
        """Return the pairs in the order of the stack's rows."""
        assert self.found is not None
        return np.argsort(self.found.rows, kind="stable")

    def _show(self, symmetry: str, probability_of_a: Floats | None = None) -> None:
        """Hand the poses of B to the session, in the order of the stack's rows."""
        found, b_path = self.found, self.b_path
        particles = self._session.data.particles
        assert found is not None
        assert b_path is not None
        assert particles is not None
        order = self._order()
        self._shown = Predictions(
            b_path,
            found.b[order],
            None,
            found.angles_deg[order],
            found.shifts_angstrom[order],
            symmetry,
            "other file",
            None if len(found) == len(particles) else found.rows[order],
            None if probability_of_a is None else probability_of_a[order],
        )
        if self._session.fourth == "none":
            self._session.set_fourth("difference")
        self._session.set_predictions(self._shown)
        self.changed.emit()

    def _take_probabilities(self, found: Comparison, values: Floats) -> None:
        if self.found is not found or self._shown is None:
            return
        was_shown = self.is_shown
        self._shown = replace(self._shown, probability_of_a=values[self._order()])
        if was_shown:
            self._session.set_predictions(self._shown)
        self.changed.emit()

    @property
    def probability_of_a(self) -> Floats | None:
        """How likely each particle is at its pose in A; None before the images were asked."""
        return None if self._shown is None else self._shown.probability_of_a

    def _on_data(self, data: Data) -> None:
        """Compare again where the file was read again, as with another map; else forget it."""
        if self._of is None or data.particles is self._of.particles:
            return
        is_same_file, b_path = data.star_path == self._of.star_path, self.b_path
        self.found = self.b_path = self._of = self._shown = self._before = None
        self.changed.emit()
        if is_same_file and b_path is not None and self.can_compare:
            self.compare(b_path)


def pose_file_of(data: Data) -> PoseFile:
    """Return the poses of the stack that is loaded as those of a file, all columns kept.

    Raises InputError where there are none.
    """
    from napari_cryoorient.diagnosis.pose_files import PoseFile, micrographs_of
    from napari_cryoorient.io.particle_table import ParticleTable

    particles, star = data.particles, data.star
    if particles is None or particles.poses is None or star is None or data.star_path is None:
        raise InputError("The particles have no poses: choose a file with poses under 1 Data.")
    return PoseFile(
        data.star_path,
        particles.names,
        particles.poses,
        micrographs_of(ParticleTable(star)),
        data.confidence,
        (),
        star,
    )


def read_probabilities(path: Path, n: int) -> Floats:
    """Read the probability of pose A of each pair ``(n,)`` from the table of ``compare``."""
    from napari_cryoorient.io.particle_table import ParticleTable
    from napari_cryoorient.io.star import read_star

    values = ParticleTable(read_star(path)).floats("cryoorientProbabilityA")
    if len(values) != n:
        raise InputError(f"{len(values)} rows where {n} were expected: {path}")
    return values


def summary_words(found: Comparison, probability_of_a: Floats | None) -> str:
    """Say in short lines how far the two are apart, in which frames, and what the images prefer."""
    from napari_cryoorient.diagnosis.comparison import SHARES_DEG
    from napari_cryoorient.diagnosis.preference import CLEAR

    degree = "\N{DEGREE SIGN}"
    shares = ", ".join(f"{found.share_under(a):.0%} under {a:g}{degree}" for a in SHARES_DEG)
    lines = [
        f"{counted(len(found), 'particle')}: median {found.median_angle_deg:.1f}{degree} and "
        f"{found.median_shift_angstrom:.1f} Å; {shares}."
    ]
    copies = float(found.is_other_copy.mean())
    if copies > 0:
        lines.append(f"{copies:.0%} are at another symmetry copy than the rest.")
    if probability_of_a is not None:
        a, b = int((probability_of_a > CLEAR).sum()), int((probability_of_a < 1 - CLEAR).sum())
        neither = len(probability_of_a) - a - b
        lines.append(f"By the map {a:,} clearly prefer A, {b:,} B, {neither:,} neither.")
    return " ".join([*lines, found.frame.describe()])
