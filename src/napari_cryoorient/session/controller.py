"""What the buttons do: from the session to files, processes and background jobs, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_cryoorient.errors import InputError
from napari_cryoorient.runs import layout
from napari_cryoorient.session.background import BackgroundJobs, Notify
from napari_cryoorient.session.checks import Checks
from napari_cryoorient.session.comparison import Comparison
from napari_cryoorient.session.compute_target import ComputeTarget
from napari_cryoorient.session.correlations import Correlations
from napari_cryoorient.session.data import Data, Problem, Role, load_data, load_what_can_be
from napari_cryoorient.session.data_checks import DataChecks
from napari_cryoorient.session.exports import Exports
from napari_cryoorient.session.filter_curves import FilterCurves
from napari_cryoorient.session.follow import RunView, last_of
from napari_cryoorient.session.inspection import has_files_of
from napari_cryoorient.session.launch import (
    Launched,
    command_text,
    launch,
    next_run_dir,
    resume_arguments,
    train_arguments,
)
from napari_cryoorient.session.marking import Marking
from napari_cryoorient.session.micrographs import Micrographs
from napari_cryoorient.session.orientations import Orientations
from napari_cryoorient.session.pose_jobs import PoseJobs
from napari_cryoorient.session.predicted import load_predictions
from napari_cryoorient.session.refinements import Refinements
from napari_cryoorient.session.sample import make_sample
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.shells import Shells
from napari_cryoorient.session.suggest import Suggestion, suggest
from napari_cryoorient.session.sweeps import Sweeps
from napari_cryoorient.session.words import warning_of

SAMPLE_MINUTES = 2.0


class Controller:
    """Does what the user asks for; errors become notifications, state stays in the session."""

    def __init__(self, session: Session, jobs: BackgroundJobs, notify: Notify) -> None:
        self.session = session
        self._jobs = jobs
        self._notify = notify
        self._launched: Launched | None = None
        self._told: set[str] = set()
        self.comparison = Comparison(session, jobs, notify)
        self.compute_target = ComputeTarget()
        self.pose_jobs = PoseJobs(session, jobs, notify, self.compute_target)
        self.sweeps = Sweeps(session, self.pose_jobs, self.comparison, notify)
        self.shells = Shells(jobs, notify)
        self.refinements = Refinements(session, jobs, self.pose_jobs, notify)
        self.filter_curves = FilterCurves(session, self.pose_jobs, notify)
        self.orientations = Orientations(session, jobs, self.pose_jobs, notify)
        self.checks = Checks(session, self.pose_jobs, notify)
        self.micrographs = Micrographs(session, jobs, notify)
        self.correlations = Correlations(session, jobs, notify)
        self.marking = Marking(session, notify)
        self.exports = Exports(session, jobs, notify)
        self._checks = DataChecks(session, jobs, notify)
        self.refines_afterwards = False  # whether a run started here is refined when it finishes
        self.run_dir: Path | None = None  # where the user wants the next run; None: chosen for them

    def close(self) -> None:
        """Stop commands and correlations, whose results nobody awaits; a run continues."""
        self.correlations.close()
        self.refinements.close()
        self.micrographs.close()
        self.checks.close()
        self.pose_jobs.close()

    # -- data

    def load(
        self, star: Path | None, map_path: Path | None, map_pixel_size: float | None = None
    ) -> None:
        """Load a stack, a map, both, or nothing; what cannot be used is told in the session."""
        self._load(star, map_path, map_pixel_size)

    def _load(
        self,
        star: Path | None,
        map_path: Path | None,
        map_pixel_size: float | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        project_dir = self.session.project_dir

        def take(loaded: tuple[Data, dict[Role, Problem]]) -> None:
            data, problems = loaded
            self._on_loaded(data, problems)
            then()

        self._jobs.start(
            "Loading",
            lambda: load_what_can_be(
                star, map_path, project_dir=project_dir, map_pixel_size_angstrom=map_pixel_size
            ),
            take,
            self._notify.error,
        )

    def _on_loaded(self, data: Data, problems: dict[Role, Problem] | None = None) -> None:
        is_new_stack = data.star_path != self.session.data.star_path
        self.session.set_problems(problems or {})
        self.session.set_data(data)
        if is_new_stack:
            self.marking.recall()
        has_no_poses = data.particles is not None and data.particles.poses is None
        if has_no_poses and self.session.settings.labels is None:
            self.session.change_settings(labels="simulated")
        self._look_for_predictions()
        self._checks.start()

    def show(self, data: Data) -> None:
        """Take data that have been loaded already."""
        self._on_loaded(data)

    def make_sample(self, symmetry: str = "C1", *, trains: bool = False) -> None:
        """Make sample data, load them and, if asked, start a short training."""

        def load() -> Data:
            return load_data(*make_sample(symmetry))

        def then(data: Data) -> None:
            self._on_loaded(data)
            self.session.change_settings(symmetry=symmetry, minutes=SAMPLE_MINUTES)
            if trains:
                self.train()

        self._jobs.start("Making sample data", load, then, self._notify.error)

    def suggest(self, then: Callable[[Suggestion], None] = lambda _: None) -> None:
        """Test the map for symmetry and set symmetry and ``w`` as the paper advises."""
        density = self.session.data.density
        if density is None:
            self._notify.warning("Load a map first: its symmetry decides which w suits it.")
            return

        def take(suggestion: Suggestion) -> None:
            if self.session.data.density is not density:
                return  # another map by now
            self.session.change_settings(symmetry=suggestion.symmetry, w=suggestion.w)
            self.session.set_advice(suggestion.reason)
            if suggestion.warning:
                self._notify.warning(suggestion.warning)
            then(suggestion)

        self._jobs.start("Testing symmetry", lambda: suggest(density), take, self._notify.error)

    # -- the run

    def planned_run_dir(self) -> Path | None:
        """Return where the next run goes: the user's choice, or a free folder beside the stack."""
        if self.run_dir is not None:
            return self.run_dir
        star = self.session.data.star_path
        return None if star is None else next_run_dir(star.parent / "cryoorient")

    def why_no_training(self) -> str:
        """Say why Train is off; an empty text where it is not."""
        session, data = self.session, self.session.data
        if session.is_training:
            return "A run is training: stop it first."
        if self.pose_jobs.is_going:
            return "Something else is being computed: stop it first, or wait."
        names = {"map": "map", "stack": "particle file"}
        for role, name in names.items():
            if role in session.problems:
                return f"The {name} could not be loaded: see 1 Data."
        if data.particles is None or data.density is None:
            missing = "particles" if data.particles is None else "a map"
            return f"Training needs {missing} as well: choose the file under 1 Data."
        if not data.is_trainable:
            return "Map and particles do not fit together: see 1 Data."
        return self.compute_target.missing

    def command(self) -> str:
        """Return the command line that Train stands for; empty where data are missing."""
        run_dir = self.planned_run_dir()
        try:
            if run_dir is None:
                return ""
            return command_text(self._arguments(run_dir))
        except InputError:
            return ""

    def _arguments(self, run_dir: Path) -> list[str]:
        session = self.session
        arguments = train_arguments(
            session.data, session.settings, run_dir, project_dir=session.project_dir
        )
        return arguments + self.compute_target.training_arguments()

    def train(self) -> None:
        """Start a training process and follow it."""
        if self.session.is_training:
            self._notify.warning("A run is being followed already: stop it first.")
            return
        if self.pose_jobs.is_going:
            self._notify.warning("Something else is being computed: stop it first, or wait.")
            return
        run_dir = self.planned_run_dir()
        if run_dir is None:
            self._notify.warning("Choose a particle STAR file first, under 1 Data.")
            return
        if (run_dir / layout.RECORD).exists():
            self._notify.warning(f"{run_dir} holds a run: name another folder, or resume it.")
            return
        try:
            self._start(self._arguments(run_dir), run_dir)
        except InputError as error:
            self._notify.error(str(error))

    def resume(self) -> None:
        """Go on with the run that is open, with ``w`` as it stands now."""
        run = self.session.run
        if run is not None and not run.is_there:
            self._notify.warning(f"The run folder was moved or deleted: {run.path}")
            self.session.set_run(run)  # Resume is off from now on
            return
        if run is None or not run.is_over or run.star_path is None or run.map_path is None:
            self._notify.warning("There is no stopped run to resume: open one first.")
            return
        arguments = resume_arguments(
            run.star_path, run.map_path, run.path, w=self.session.settings.w
        )
        data = self.session.data
        if data.map_pixel_size_angstrom is not None and has_files_of(data, run):
            arguments += ["--pixel-size", f"{data.map_pixel_size_angstrom:g}"]
        arguments += self.compute_target.training_arguments()
        try:
            self._start(arguments, run.path)
        except InputError as error:
            self._notify.error(str(error))

    def _start(self, arguments: list[str], run_dir: Path) -> None:
        self._launched = launch(arguments, run_dir)
        self.run_dir = None
        self._told.clear()
        self.session.set_stopping(False)
        self.session.set_run(RunView(run_dir, "running"))
        self._jobs.follow_run(run_dir, self._launched, self._on_run)

    def stop(self) -> None:
        """Ask the run to stop; it keeps its best."""
        if self.session.is_training:
            self.session.ask_to_stop()

    def open_run(self, path: Path) -> None:
        """Follow a run that was started here or elsewhere, live or over."""
        if self.session.is_training and self._launched is not None:
            self._notify.warning("A run is training: stop it before opening another.")
            return
        if not (path / layout.RECORD).is_file():
            self._notify.error(f"{path} is not a run folder: it has no run.json.")
            return
        self._launched = None
        self._told.clear()
        self.session.set_stopping(False)
        self.session.set_run(None)
        self._jobs.follow_run(path, None, self._on_run)

    def open_beside(self, path: Path) -> None:
        """Open another run and keep the curves of the one that was open."""
        if self.session.is_training and self._launched is not None:
            self._notify.warning("A run is training: stop it before opening another.")
            return
        self.comparison.keep_current()
        self.open_run(path)

    def _on_run(self, view: RunView) -> None:
        is_first = self.session.run is None
        self.session.set_run(view)
        if is_first:
            self._adopt(view)
        self._announce(view)
        if view.is_over:
            was_ours, self._launched = self._launched is not None, None
            if was_ours and self.refines_afterwards and view.has_poses:
                self.pose_jobs.predict(refines=True)
            self._look_for_predictions()

    def _adopt(self, view: RunView) -> None:
        """Take settings and files of a run that was opened."""
        if view.star_path is not None and not has_files_of(self.session.data, view):
            # Another stack sets settings back: those of the run come after it.
            self._load(
                view.star_path, view.map_path, then=lambda: self._adopt_settings(view, loaded=True)
            )
        self._adopt_settings(view)

    def _adopt_settings(self, view: RunView, *, loaded: bool = False) -> None:
        run = self.session.run
        if loaded and (run is None or run.path != view.path):
            return  # another run by now
        config = view.record.config
        known = {k: v for k, v in config.items() if k in type(self.session.settings).model_fields}
        w = last_of(view, "w")
        try:
            # Steering starts with the user's next move, not with this.
            self.session.adopt_settings(**(known | ({} if w is None else {"w": w})))
        except InputError as error:
            self._notify.warning(f"Settings of {view.path}: {error}")

    def _announce(self, view: RunView) -> None:
        for note in view.record.notes:
            warning = warning_of(note, is_negated=self.session.data.is_negated)
            if warning and note not in self._told:
                self._told.add(note)
                self._notify.warning(warning)
        if view.state in ("failed", "crashed") and view.reason and view.reason not in self._told:
            self._told.add(view.reason)
            kept = (view.path / layout.CHECKPOINT).is_file()
            advice = " Its checkpoint is kept: Resume continues from there." if kept else ""
            self._notify.error(f"The run {view.state}: {view.reason.rstrip('.')}.{advice}")

    def _look_for_predictions(self) -> None:
        session = self.session
        run, data = session.run, session.data
        if run is None or not run.has_poses or data.particles is None or data.star_path is None:
            return
        if not has_files_of(data, run) or session.predictions is not None:
            return
        self._jobs.start(
            "Reading poses",
            lambda: load_predictions(data, run.path / layout.POSES, run.symmetry),
            session.set_predictions,
            self._notify.error,
        )
