"""The session: all the state of the window in one place, with a signal for each change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.particles import Floats, Integers
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.session.criteria import CRITERIA, Criterion, as_shown
from napari_cryoorient.session.data import Data, Problem, Role
from napari_cryoorient.session.follow import RunView
from napari_cryoorient.session.inspection import (
    NOTHING,
    Fourth,
    Inspection,
    Predictions,
    inspect,
    is_about,
)
from napari_cryoorient.session.marks import Mark, Marks

# What is chosen for one stack and one map, and means nothing for another.
OF_THE_DATA = ("symmetry", "labels", "w")


class Session:
    """Holds frozen values and replaces them; widgets and viewers listen and draw.

    A signal comes after the value has changed, and only if it has.
    """

    data_changed = Signal(Data)
    map_symmetry_changed = Signal(str)
    settings_changed = Signal(TrainConfig)
    run_changed = Signal(object)
    compared_changed = Signal(object)
    inspection_changed = Signal(Inspection)
    particle_changed = Signal(int)
    selection_changed = Signal()
    low_pass_changed = Signal(object)
    marks_changed = Signal()
    problems_changed = Signal()
    verdict_changed = Signal(str)
    blinked = Signal()

    def __init__(self) -> None:
        self.data = Data()
        self.map_symmetry = ""  # what has been found of it, in words
        self.settings = TrainConfig.model_validate({})
        self.run: RunView | None = None
        self.compared: tuple[RunView, ...] = ()
        self.predictions: Predictions | None = None
        self.inspection: Inspection = NOTHING
        self.particle = 0
        self.criterion: Criterion = "angular error"
        self.threshold: float | None = None
        self.low_pass_angstrom: float | None = None
        self.project_dir: Path | None = None
        self.is_stopping = False
        self.fourth: Fourth = "none"
        self.marks = Marks()
        self.advice = ""  # why symmetry and w are what they are
        self.excluded: Integers = np.zeros(0, dtype=np.int64)  # rows of micrographs left out
        self.problems: dict[Role, Problem] = {}
        self.verdict = ""  # that the particles do not show the map, if so
        # "stack" or "map" where it was replaced during a run, whose settings stay until its end.
        self._replaced = ""

    def set_data(self, data: Data) -> None:
        """Take what has been loaded; nothing that belongs to other data is kept.

        Predictions and the view of a finished run go with their stack or map. Symmetry, labels and
        ``w`` go back to their defaults when a stack or a map takes another's place.
        """
        before = self.data
        is_new_stack = data.star_path != before.star_path
        is_new_map = data.map_path != before.map_path
        if is_new_stack or is_new_map:
            self.predictions = None
            run = self.run
            # The stack of a run that was opened may be missing; its curves are still there to see.
            is_without = data.star_path is None and "stack" not in self.problems
            if run is not None and run.is_over and (is_without or not is_about(run, data)):
                self.run = None
                self.run_changed.emit(None)
        if data.density is not before.density:
            self.map_symmetry = ""
        self.data = data = data.with_contrast(self.settings.invert_contrast)
        if data.density is not before.density or data.particles is not before.particles:
            self.set_verdict("")
        if is_new_stack:
            self.marks = Marks()
            self.excluded = np.zeros(0, dtype=np.int64)
        replaces_stack = is_new_stack and before.star_path is not None
        replaces_map = is_new_map and before.map_path is not None
        if replaces_stack or replaces_map:
            self._replaced = "stack" if replaces_stack else "map"
            if not self.is_training:
                self._forget_settings()
        if data.particles is not before.particles:
            self.set_low_pass(data.display_low_pass_angstrom)
        self.inspection = replace(self.inspection, correlations=None)  # of another map, it may be
        self.data_changed.emit(data)
        self._inspect()

    def _forget_settings(self) -> None:
        """Set back what was chosen for other data, and say so if that changes anything."""
        settings, what = self.settings, self._replaced
        self._replaced = self.advice = ""
        fields = TrainConfig.model_fields
        self.adopt_settings(**{name: fields[name].default for name in OF_THE_DATA})
        if self.settings != settings:
            self.advice = (
                f"For the new {what}, symmetry, labels and w are back at their defaults "
                f"({self.settings.symmetry}, w {self.settings.w:.2f})."
            )
        self.settings_changed.emit(self.settings)

    def set_advice(self, words: str) -> None:
        """Say why symmetry and ``w`` are what they are."""
        self.advice = words
        self.settings_changed.emit(self.settings)

    def set_problems(self, problems: dict[Role, Problem]) -> None:
        """Take what stands in the way of the files that were asked for, by role."""
        if problems != self.problems:
            self.problems = problems
            self.problems_changed.emit()

    def set_verdict(self, sentence: str) -> None:
        """Take what was found on whether the particles show the map; empty where they do."""
        if sentence != self.verdict:
            self.verdict = sentence
            self.verdict_changed.emit(sentence)

    def set_marks(self, marks: Marks) -> None:
        """Take marks that were saved earlier."""
        self.marks = marks
        self._announce_marks()

    def mark(self, mark: Mark | None) -> None:
        """Keep or reject the current particle by hand, or take its mark away."""
        if len(self.inspection) and self.marks.set(self.row, mark):
            self._announce_marks()

    def undo_mark(self) -> None:
        """Take the last mark back and go to its particle."""
        self._go_to_row(self.marks.undo())

    def redo_mark(self) -> None:
        """Make the last mark again that was taken back, and go to its particle."""
        self._go_to_row(self.marks.redo())

    @property
    def row(self) -> int:
        """Row of the current particle in the STAR file; -1 where it has none."""
        return int(self.inspection.rows[self.particle]) if len(self.inspection) else -1

    def _go_to_row(self, row: int | None) -> None:
        if row is None:
            return
        self._announce_marks()
        found = np.flatnonzero(self.inspection.rows == row)
        if found.size:
            self.set_particle(int(found[0]))

    def _announce_marks(self) -> None:
        self.marks_changed.emit()
        self.selection_changed.emit()

    def symmetry_hint(self) -> str:
        """Say that the map's symmetry is not the one that is set; empty where it is."""
        name, _, where = self.map_symmetry.partition(", ")
        if not where.startswith("on RELION's axes") or name == self.settings.symmetry:
            return ""
        return f"The map has {name} symmetry: Suggest sets it."

    def set_map_symmetry(self, words: str) -> None:
        """Take what has been found of the map's symmetry."""
        self.map_symmetry = words
        self.map_symmetry_changed.emit(words)

    def change_settings(self, **values: Any) -> None:
        """Change training settings; ``w`` reaches a run that is going on.

        Raises:
            InputError: for a value the setting does not allow, which then stays as it was.

        """
        w_before = self.settings.w
        self.adopt_settings(**values)
        if self.run is not None and self.is_training and self.settings.w != w_before:
            RunReader(self.run.path).ask(w=self.settings.w)

    def adopt_settings(self, **values: Any) -> None:
        """Change settings without steering a run: those it has already, say.

        Raises:
            InputError: for a value the setting does not allow, which then stays as it was.

        """
        settings = TrainConfig.of(
            self.settings.model_dump() | values, lambda name: name.replace("_", " ") + " "
        )
        if settings != self.settings:
            is_other_contrast = settings.invert_contrast != self.settings.invert_contrast
            self.settings = settings
            self.settings_changed.emit(settings)
            if is_other_contrast:
                self.set_data(self.data)

    @property
    def is_training(self) -> bool:
        """Whether the run that is followed is going on."""
        return self.run is not None and not self.run.is_over

    def set_run(self, run: RunView | None) -> None:
        """Take a new look at the run, or leave it."""
        before = self.run
        self.run = run
        if run is None or run.is_over:
            self.is_stopping = False
            if self._replaced:
                self._forget_settings()
        if run is None or before is None or run.path != before.path or not run.has_poses:
            self.predictions = None
        self.run_changed.emit(run)
        if run is None or before is None or run.preview is not before.preview:
            self._inspect()

    def set_compared(self, runs: tuple[RunView, ...]) -> None:
        """Take runs whose curves are shown beside those of the run being followed."""
        if runs or self.compared:
            self.compared = runs
            self.compared_changed.emit(runs)

    def shown_runs(self) -> tuple[RunView, ...]:
        """Return the runs whose curves are shown, the one being followed last."""
        own = () if self.run is None else (self.run,)
        path = None if self.run is None else self.run.path.resolve()
        return (*(run for run in self.compared if run.path.resolve() != path), *own)

    def set_predictions(self, predictions: Predictions | None) -> None:
        """Take the poses of the whole stack."""
        self.predictions = predictions
        self._inspect()

    def set_correlations(self, correlations: Floats) -> None:
        """Take the correlations ``(n,)`` of what is inspected now."""
        if len(correlations) == len(self.inspection):
            self.inspection = replace(self.inspection, correlations=correlations)
            if self.criterion not in self.inspection.criteria:
                self.criterion = "correlation"
            self.inspection_changed.emit(self.inspection)

    def ask_to_stop(self) -> None:
        """Ask the run to stop and keep what it has."""
        if self.run is not None and self.is_training:
            RunReader(self.run.path).ask(stop=True)
            self.set_stopping(True)

    def set_stopping(self, is_stopping: bool) -> None:
        """Remember that the run has been asked to stop and has not answered yet."""
        if is_stopping != self.is_stopping:
            self.is_stopping = is_stopping
            self.run_changed.emit(self.run)

    def set_particle(self, index: int) -> None:
        """Look at another particle; out of range means the nearest there is."""
        index = min(max(int(index), 0), max(len(self.inspection) - 1, 0))
        if index != self.particle:
            self.particle = index
            self.particle_changed.emit(index)

    def step_in_ranking(self, step: int) -> None:
        """Go to the next worse (+1) or next better (-1) particle of the selection."""
        ranking = self.inspection.ranking(self.criterion)
        ranking = ranking[self.selection_mask()[ranking]]
        if not len(ranking):
            return
        place = np.flatnonzero(ranking == self.particle)
        if not place.size:
            self.set_particle(int(ranking[0]))
            return
        target = min(max(int(place[0]) - step, 0), len(ranking) - 1)
        self.set_particle(int(ranking[target]))

    def particles_from_here(self, n: int) -> Integers:
        """Return the current particle and those after it towards the better ones, ``n`` at most.

        They are those of the selection in the order of the ranking, or of the stack without one.
        """
        if not len(self.inspection):
            return np.zeros(0, dtype=np.int64)
        ranking = self.inspection.ranking(self.criterion)
        ranking = ranking[self.selection_mask()[ranking]]
        place = np.flatnonzero(ranking == self.particle)
        after = ranking[int(place[0]) + 1 :] if place.size else ranking
        return np.concatenate([[self.particle], after])[:n].astype(np.int64)

    def set_selection(self, criterion: Criterion, threshold: float | None) -> None:
        """Keep particles at least as good as the threshold; None keeps all."""
        if (criterion, threshold) != (self.criterion, self.threshold):
            self.criterion, self.threshold = criterion, threshold
            self.selection_changed.emit()

    def selection_mask(self) -> np.ndarray:
        """Tell of each particle ``(n,)`` whether it is kept: by hand, or else by the threshold.

        Figures count as they are shown: 0.996 reads 1.00, and passes "at least 1.00".
        """
        values = self.inspection.values(self.criterion)
        kept = np.ones(len(self.inspection), dtype=bool)
        if values is not None and self.threshold is not None:
            shown = as_shown(self.criterion, values)
            limit = as_shown(self.criterion, np.asarray(self.threshold))
            is_higher_better = CRITERIA[self.criterion].is_higher_better
            kept = np.asarray(shown >= limit if is_higher_better else shown <= limit, dtype=bool)
        rows = self.inspection.rows
        if len(self.marks):
            kept |= np.isin(rows, self.marks.rows("keep"))
        return np.asarray(kept & ~self.are_left_out(rows))

    def are_left_out(self, rows: Integers) -> np.ndarray:
        """Tell of rows of the STAR file whether they are left out whatever their figures say.

        That is by hand, or with a micrograph where no hand keeps them.
        """
        out = np.isin(rows, self.excluded)
        if len(self.marks):
            out &= ~np.isin(rows, self.marks.rows("keep"))
            out |= np.isin(rows, self.marks.rows("reject"))
        return out

    @property
    def is_filtered(self) -> bool:
        """Whether a threshold, a mark or an excluded micrograph leaves particles out."""
        return self.threshold is not None or len(self.marks) > 0 or len(self.excluded) > 0

    def set_excluded(self, rows: Integers) -> None:
        """Leave rows of the STAR file out whatever the threshold says; a mark counts for more."""
        if not np.array_equal(rows, self.excluded):
            self.excluded = rows
            self.selection_changed.emit()

    def selected(self) -> Integers:
        """Return the particles kept, in the stack's order."""
        return np.flatnonzero(self.selection_mask())

    def rejected(self) -> Integers:
        """Return the particles rejected by hand, in the stack's order."""
        return np.flatnonzero(np.isin(self.inspection.rows, self.marks.rows("reject")))

    def set_low_pass(self, resolution_angstrom: float | None) -> None:
        """Filter what is shown of the images; nothing is computed with it."""
        if resolution_angstrom != self.low_pass_angstrom:
            self.low_pass_angstrom = resolution_angstrom
            self.low_pass_changed.emit(resolution_angstrom)

    def set_fourth(self, fourth: Fourth) -> None:
        """Choose what the fourth view shows, if there is to be one."""
        if fourth != self.fourth:
            self.fourth = fourth
            self._inspect()

    def blink(self) -> None:
        """Let the fourth view show the other one of both projections."""
        if self.fourth == "blink":
            self.blinked.emit()

    def _inspect(self) -> None:
        """Update what there is to look at."""
        before = self.inspection
        self.inspection = inspect(self.data, self.run, self.predictions, fourth=self.fourth)
        if self.inspection.has_poses_of(before):
            self.inspection = replace(self.inspection, correlations=before.correlations)
        is_other_stack = self.inspection.subject[:1] != before.subject[:1]
        is_other = self.inspection.kind != before.kind or len(self.inspection) != len(before)
        criteria = self.inspection.criteria
        has_lost_criterion = bool(criteria) and self.criterion not in criteria
        if is_other or is_other_stack or has_lost_criterion:
            self.threshold = None
            if criteria and (self.inspection.kind != before.kind or self.criterion not in criteria):
                self.criterion = criteria[0]
            row = -1 if is_other_stack or not len(before) else int(before.rows[self.particle])
            found = np.flatnonzero(self.inspection.rows == row)
            self.particle = int(found[0]) if found.size and row >= 0 else 0
            self.inspection_changed.emit(self.inspection)
            self.particle_changed.emit(self.particle)
            self.selection_changed.emit()
        else:
            self.inspection_changed.emit(self.inspection)
