"""Poses by other ways than training: a global search, a refinement, a trained run's predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from psygnal import Signal

from napari_cryoorient.config import (
    Config,
    NullTestConfig,
    PredictConfig,
    RefineConfig,
    SearchConfig,
)
from napari_cryoorient.config.base import source_arguments
from napari_cryoorient.errors import InputError
from napari_cryoorient.runs import layout
from napari_cryoorient.session.background import BackgroundJobs, Notify
from napari_cryoorient.session.compute_target import ComputeTarget
from napari_cryoorient.session.data import Data
from napari_cryoorient.session.inspection import Predictions, Source
from napari_cryoorient.session.launch import command_text, next_run_dir
from napari_cryoorient.session.predicted import load_predictions
from napari_cryoorient.session.process_job import JobView, ProcessJob
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.verdict import verdict_on_search
from napari_cryoorient.session.words import warning_of

OUT, PAGE = "poses.star", "null-test.pdf"
NULL_TEST = "Testing against nulls"
What = Literal["search", "refine", "predict"]


@dataclass(frozen=True)
class _Asked:
    """A command that writes poses into ``folder``, and the stack and the map it works on."""

    title: str
    arguments: list[str]
    folder: Path
    symmetry: str
    source: Source
    files: tuple[Path | None, Path | None]


class PoseJobs:
    """Starts one command at a time, follows it, and takes the poses it wrote into the session."""

    changed = Signal()
    null_tested = Signal(object, object)  # the data it was of, and the command's last view

    def __init__(
        self, session: Session, jobs: BackgroundJobs, notify: Notify, target: ComputeTarget
    ) -> None:
        self._session = session
        self._target = target
        self._jobs = jobs
        self._notify = notify
        self._job: ProcessJob | None = None
        self.view: JobView | None = None

    @property
    def is_going(self) -> bool:
        """Whether a command is at work."""
        return self._job is not None

    @property
    def is_stopping(self) -> bool:
        """Whether the command has been asked to stop and has not answered yet."""
        return self._job is not None and self._job.is_stopping

    @property
    def can_search(self) -> bool:
        """Whether there are a stack and a map that fit each other."""
        return self._session.data.is_trainable and not self.is_going

    @property
    def can_refine(self) -> bool:
        """Whether there are poses to refine: a run's, or the STAR file's."""
        particles = self._session.data.particles
        has_poses = particles is not None and particles.poses is not None
        return self.can_search and (has_poses or self.can_predict)

    @property
    def can_predict(self) -> bool:
        """Whether the run that is open is over, has learned something and knows its stack."""
        run = self._session.run
        return (
            not self.is_going
            and run is not None
            and run.is_over
            and run.star_path is not None
            and (run.path / layout.CHECKPOINT).is_file()
        )

    def search(self, **settings: Any) -> None:
        """Search poses of the stack by the map alone; ``settings`` are of ``SearchConfig``.

        Those that training has too are taken from the session.
        """
        self._start_asked("search", **settings)

    def command_to_copy(self, what: What, **settings: Any) -> str:
        """Return the command line of a search or a refinement; what it lacks is told."""
        try:
            return command_text(self._asked(what, **settings).arguments)
        except InputError as error:
            self._notify.warning(str(error))
            return ""

    def null_test(self, **settings: Any) -> None:
        """Search some of the stack, noise and maps of random detail, and say what it means.

        ``settings`` are of ``NullTestConfig``; a page is left in a folder beside the stack.
        """
        data = self._session.data
        if data.star_path is None or data.map_path is None:
            self._notify.warning("This needs a stack and a map: choose them under 1 Data.")
            return
        config = NullTestConfig(**self._of_session(NullTestConfig), **settings)
        folder = next_run_dir(data.star_path.parent / "cryoorient", "null-test")
        arguments = ["null-test", str(data.star_path), "--map", str(data.map_path)]
        arguments += ["--figure", str(folder / PAGE), *config.arguments()]
        arguments += source_arguments(data.map_pixel_size_angstrom, self._session.project_dir)

        def take(view: JobView) -> None:
            if view.state != "finished":
                return
            sentence = str(view.results.get("sentence", ""))
            self._notify.info(f"The null test's page with all figures: {view.folder / PAGE}")
            if self._session.data is data and view.results.get("is_doubt"):
                self._session.set_verdict(sentence)
            self.null_tested.emit(data, view)

        self.start_command(NULL_TEST, arguments, folder, take)

    def refine(self, **settings: Any) -> None:
        """Refine the run's predictions where there is a trained run, else the STAR's own poses.

        ``settings`` are of ``RefineConfig``; a run's predictions are refined with its own.
        """
        self._start_asked("refine", **settings)

    def predict(self, *, refines: bool = False) -> None:
        """Predict the run's whole stack with what it has learned, and refine that if asked.

        Stack and map are the run's own, whatever is loaded by now.
        """
        self._start_asked("predict", refines=refines)

    def _start_asked(self, what: What, **settings: Any) -> None:
        try:
            asked = self._asked(what, **settings)
        except InputError as error:
            self._notify.warning(str(error))
            return
        self._start(asked)

    def _asked(self, what: What, **settings: Any) -> _Asked:
        """Return the command that a button stands for; raises InputError where it lacks something.

        A refinement is one of the run's predictions where there is a trained run.
        """
        if self._target.missing:
            raise InputError(self._target.missing)
        if what == "search":
            config = SearchConfig(**self._of_session(SearchConfig), evidence=True, **settings)
            return self._on_stack("search", config, "search")
        if what == "refine" and not self.can_predict:
            refinement = RefineConfig(**self._of_session(RefineConfig), **settings)
            return self._on_stack("refine", refinement, "STAR, refined")
        return self._of_run(refines=what == "refine" or bool(settings.get("refines")))

    def _of_run(self, *, refines: bool) -> _Asked:
        run, data = self._session.run, self._session.data
        if not self.can_predict or run is None:
            raise InputError("There is no trained run to predict with: open one first.")
        if refines and run.map_path is None:
            raise InputError("Refining needs a map, and the run names none.")
        folder = next_run_dir(run.path, "predict")
        arguments = ["predict", str(run.star_path), "--run", str(run.path)]
        config = PredictConfig(device=self._session.settings.device, refine=refines)
        arguments += ["-o", str(folder / OUT), *config.arguments(), *self._target.arguments()]
        if refines:
            arguments += ["--map", str(run.map_path)]
        is_its_map = data.map_path is not None and data.map_path.resolve() == run.map_path
        pixel_size = data.map_pixel_size_angstrom if refines and is_its_map else None
        arguments += source_arguments(pixel_size, self._session.project_dir)
        source: Source = "network, refined" if refines else "network"
        files = (run.star_path, run.map_path)
        return _Asked("Predicting", arguments, folder, run.symmetry, source, files)

    def relax(
        self, title: str, arguments: list[str], folder: Path, take: Callable[[JobView], None]
    ) -> None:
        """Start ``relax`` on the stack, show the poses it writes; ``take`` gets each look."""
        files = (self._session.data.star_path, self._session.data.map_path)
        self._start(_Asked(title, arguments, folder, "C1", "STAR, relaxed", files), take)

    def stop(self) -> None:
        """Ask the command to stop."""
        if self._job is not None and not self._job.is_stopping:
            self._job.stop()
            self.changed.emit()

    def close(self) -> None:
        """End the command, if there is one: nobody is left to take what it would write."""
        if self._job is not None:
            self._jobs.stop_following("job")
            self._job.end()
            self._job = None

    def _of_session(self, model: type[Config]) -> dict[str, Any]:
        """Return the fields of a config that the settings of training have too."""
        settings = self._session.settings
        shared = type(settings).model_fields.keys() & model.model_fields.keys()
        return {name: getattr(settings, name) for name in shared}

    def _on_stack(
        self, command: str, config: SearchConfig | RefineConfig, source: Source
    ) -> _Asked:
        data = self._session.data
        if data.star_path is None or data.map_path is None:
            missing = "a particle STAR file" if data.star_path is None else "a map"
            raise InputError(f"This needs {missing} as well: choose it under 1 Data.")
        folder = next_run_dir(data.star_path.parent / "cryoorient", command)
        arguments = [command, str(data.star_path), "--map", str(data.map_path)]
        arguments += ["-o", str(folder / OUT), *config.arguments(), *self._target.arguments()]
        arguments += source_arguments(data.map_pixel_size_angstrom, self._session.project_dir)
        title = {"search": "Searching", "refine": "Refining"}[command]
        files = (data.star_path, data.map_path)
        return _Asked(title, arguments, folder, config.symmetry, source, files)

    def _start(self, asked: _Asked, also: Callable[[JobView], None] = lambda view: None) -> None:
        """Start a command that writes poses, and take them; ``also`` gets each look at it too."""

        def take(view: JobView) -> None:
            also(view)
            if view.state != "finished":
                return
            data = self._session.data
            if _resolved(data.star_path, data.map_path) != _resolved(*asked.files):
                self._notify.info(
                    f"{noun_of(asked.title)} has finished for data that are no longer loaded; load "
                    f"them again to see the poses, which are in {view.folder / OUT}"
                )
                return

            def loaded(predictions: Predictions) -> None:
                if self._session.data is data:
                    self._session.set_predictions(predictions)
                    if asked.source == "search":
                        self._judge(data, predictions)

            self._jobs.start(
                "Reading poses",
                lambda: load_predictions(data, view.folder / OUT, asked.symmetry, asked.source),
                loaded,
                self._notify.error,
            )

        self.start_command(asked.title, asked.arguments, asked.folder, take)

    def _judge(self, data: Data, predictions: Predictions) -> None:
        """Say in the background whether what a search found shows the map."""
        session = self._session

        def take(sentence: str) -> None:
            if session.data is data:
                session.set_verdict(sentence)

        self._jobs.start(
            "Comparing with decoys",
            lambda: verdict_on_search(data, predictions),
            take,
            self._notify.error,
        )

    def start_command(
        self, title: str, arguments: list[str], folder: Path, take: Callable[[JobView], None]
    ) -> None:
        """Start a command and follow it; ``take`` gets each look at it, the last one too."""
        if self.is_going or self._session.is_training:
            self._notify.warning("Something else is being computed: stop it first, or wait.")
            return
        try:
            job = self._job = ProcessJob(title, arguments, folder)
        except InputError as error:
            self._notify.error(str(error))
            return

        def hear(view: JobView) -> None:
            self.view = view
            if view.is_over:
                self._job = None
                for line in view.said:
                    warning = warning_of(line, is_negated=self._session.data.is_negated)
                    if warning:
                        self._notify.warning(warning)
            if view.state == "failed":
                self._notify.error(f"{noun_of(view.title)} failed: {view.reason}")
            self.changed.emit()
            take(view)

        self._jobs.follow("job", job.follow, hear)


def _resolved(*paths: Path | None) -> tuple[Path | None, ...]:
    return tuple(None if path is None else path.resolve() for path in paths)


_NOUNS = {
    "Searching": "Search",
    "Refining": "Refinement",
    "Predicting": "Prediction",
    NULL_TEST: "Null test",
    "Measuring": "Pixel size",
    "Relaxing": "Pseudo-symmetry",
    "Comparing tilts": "Hand",
    "Asking the images": "Comparison",
    "Entering images": "Filter curve",
    "Views": "Orientations",
    "Half-maps": "Orientations",
}


_OUTCOMES = {
    "explained": "the map explains the particles",
    "undecided": "cannot be told",
}
_HANDS = {"right": "the map is right", "mirrored": "the map is the mirror image"}


def noun_of(title: str) -> str:
    """Return what a job is called once it is over."""
    return _NOUNS.get(title, title)


def words_of(view: JobView) -> str:
    """Say in a sentence what came of a job that finished."""
    results = view.results
    words = []
    if "particles" in results and results.get("images_per_second"):
        n, speed = results["particles"], results["images_per_second"]
        words.append(f"{n:,} particles, {speed:.0f} a second")
    if results.get("mean_confidence") is not None:
        words.append(f"mean confidence {results['mean_confidence']:.2f}")
    if results.get("median_moved_deg") is not None:
        words.append(f"moved by {results['median_moved_deg']:.1f}\N{DEGREE SIGN} (median)")
    best = results.get("best")
    if isinstance(best, dict) and best.get("w") is not None:
        words.append(f"best w {best['w']:g}")
    # In brief: the whole sentence stands in the tab Checks.
    if "outcome" in results:
        words.append(_OUTCOMES.get(str(results["outcome"]), str(results["outcome"])))
    if "hand" in results:
        words.append(_HANDS.get(str(results["hand"]), "cannot be told"))
    if results.get("scale") is not None:
        words.append(f"particles {results['scale']:.4f} times as large as the map")
    if results.get("moved") is not None:
        words.append(f"{results['moved']:,} of {results['n']:,} moved to an equivalent pose")
    if results.get("scf_star") is not None:
        words.append(f"SCF* {results['scf_star']:.2f}")
    curve = results.get("curve")
    if isinstance(curve, list):
        words.append(f"{len(curve)} thresholds, best {results.get('best_threshold', 0):.2f}")
    preference = results.get("preference")
    if isinstance(preference, dict):
        a, b = preference.get("prefer_a", 0), preference.get("prefer_b", 0)
        words.append(f"{a:,} particles prefer A, {b:,} prefer B")
    return "; ".join(words)
