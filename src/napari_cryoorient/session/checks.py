"""Checks of stack, map and poses, each a command of its own: what is asked, and what was said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from psygnal import Signal

from napari_cryoorient.config.base import source_arguments
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.point_groups import point_group
from napari_cryoorient.session.background import Notify
from napari_cryoorient.session.launch import next_run_dir
from napari_cryoorient.session.pose_jobs import NULL_TEST, OUT, PoseJobs
from napari_cryoorient.session.process_job import JobView
from napari_cryoorient.session.session import Session

Check = Literal["Null test", "Pixel size", "Pseudo-symmetry", "Hand"]
CHECKS: tuple[Check, ...] = ("Null test", "Pixel size", "Pseudo-symmetry", "Hand")
TITLES: dict[Check, str] = {
    "Null test": NULL_TEST,
    "Pixel size": "Measuring",
    "Pseudo-symmetry": "Relaxing",
    "Hand": "Comparing tilts",
}


@dataclass(frozen=True, eq=False)
class CheckResult:
    """What a command said, its figures by name, and the folder of what it wrote."""

    sentence: str
    figures: dict[str, Any]
    folder: Path


class Checks:
    """Starts one check at a time on what is loaded, and keeps what each said of it."""

    changed = Signal()

    def __init__(self, session: Session, commands: PoseJobs, notify: Notify) -> None:
        self._session = session
        self._commands = commands
        self._notify = notify
        self._found: dict[Check, CheckResult] = {}
        self._of: object = None  # the data they were found for
        commands.null_tested.connect(self._on_null_test)

    def close(self) -> None:
        """Hear nothing any more."""
        self._commands.null_tested.disconnect(self._on_null_test)

    def result(self, check: Check) -> CheckResult | None:
        """Return what a check said of the data that are loaded; None where nothing did."""
        return self._found.get(check) if self._of is self._session.data else None

    @property
    def going(self) -> Check | None:
        """The check at work."""
        view = self._commands.view
        if view is None or not self._commands.is_going:
            return None
        return next((check for check in CHECKS if TITLES[check] == view.title), None)

    def can_start(self, check: Check) -> bool:
        """Whether what a check needs is there, and nothing else is being computed."""
        if self._commands.is_going or self._session.is_training:
            return False
        data = self._session.data
        if check == "Null test":
            return data.is_trainable
        has_poses = self._path is not None and self._session.inspection.shown_poses is not None
        return has_poses and (check == "Hand" or data.is_trainable)

    def needs(self, check: Check) -> str:
        """Say what a check needs."""
        what = {
            "Null test": "a stack and a map",
            "Pixel size": "a map and particles with poses",
            "Pseudo-symmetry": "a map and particles with poses",
            "Hand": "poses of tilted images",
        }[check]
        return f"This needs {what} (1 Data)."

    def null_test(self) -> None:
        """Search some particles, images without one, and maps of random detail."""
        self._commands.null_test()

    def pixel_size(self) -> None:
        """Measure the particles' size against the map, at the poses shown."""
        self._start("Pixel size", "pixel-size", [*self._map(), *self._sources()])

    def relax(self, symmetry: str) -> None:
        """Find which equivalent pose under a pseudo-symmetry each particle is at; shows them."""
        try:
            point_group(symmetry)
        except InputError as error:
            self._notify.error(str(error))
            return
        self._start(
            "Pseudo-symmetry", "relax", ["--symmetry", symmetry, *self._map(), *self._sources()]
        )

    def hand(self, untilted: Path | None, tilt_deg: float | None, axis_deg: float | None) -> None:
        """Tell the hand from the poses shown, those of tilted images, and of untilted ones.

        Angles that are not given are those of the file.
        """
        arguments = ["--symmetry", self._session.settings.symmetry]
        for flag, angle in (("--tilt", tilt_deg), ("--axis", axis_deg)):
            arguments += [] if angle is None else [flag, f"{angle:g}"]
        if untilted is not None:
            arguments += ["--untilted", str(untilted)]
        self._start("Hand", "hand", arguments)

    def _map(self) -> list[str]:
        settings = self._session.settings
        arguments = ["--map", str(self._session.data.map_path)]
        arguments += ["--invert-contrast", settings.invert_contrast]
        return [*arguments, "--device", settings.device]

    def _sources(self) -> list[str]:
        pixel_size = self._session.data.map_pixel_size_angstrom
        return source_arguments(pixel_size, self._session.project_dir)

    def _start(self, check: Check, command: str, more: list[str]) -> None:
        path, data = self._path, self._session.data
        if not self.can_start(check) or path is None or data.star_path is None:
            self._notify.warning(self.needs(check))
            return
        folder = next_run_dir(data.star_path.parent / "cryoorient", command)
        arguments = [command, str(path), *more]
        if command == "relax":
            arguments += ["-o", str(folder / OUT)]

        def take(view: JobView) -> None:
            if view.state == "finished":
                self._keep(check, data, view)
            self.changed.emit()

        if command == "relax":
            self._commands.relax(TITLES[check], arguments, folder, take)
        else:
            self._commands.start_command(TITLES[check], arguments, folder, take)

    def _on_null_test(self, data: object, view: JobView) -> None:
        self._keep("Null test", data, view)
        self.changed.emit()

    def _keep(self, check: Check, data: object, view: JobView) -> None:
        if data is not self._of:
            self._found, self._of = {}, data
        sentence = str(view.results.get("sentence", ""))
        self._found[check] = CheckResult(sentence, view.results, view.folder)

    @property
    def _path(self) -> Path | None:
        predictions = self._session.predictions
        if predictions is not None and self._session.inspection.kind == "predictions":
            return predictions.path
        return self._session.data.star_path
