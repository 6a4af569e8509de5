"""Several runs side by side: found in folders, followed together, their figures kept in files."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.runs import layout
from napari_cryoorient.session.background import BackgroundJobs, Notify
from napari_cryoorient.session.follow import Follower, RunView
from napari_cryoorient.session.session import Session

INTERVAL_S = 0.25
# A study keeps its runs in a folder below its own.
DEPTH = 2
PICTURES = (".png", ".svg", ".pdf")


def runs_in(folder: Path, depth: int = DEPTH) -> list[Path]:
    """Return the run folders at and below ``folder``, in the order of their names.

    Raises:
        InputError: where there is none, or the folder cannot be read.

    """
    found = _runs_in(folder, depth)
    if not found:
        raise InputError(f"{folder} holds no run: choose a run folder, or a folder of runs.")
    return found


def _runs_in(folder: Path, depth: int) -> list[Path]:
    if (folder / layout.RECORD).is_file():
        return [folder]
    if depth == 0:
        return []
    try:
        below = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}.") from error
    return [run for path in below for run in _runs_in(path, depth - 1)]


def follow_together(
    paths: Sequence[Path], interval_s: float = INTERVAL_S
) -> Iterator[tuple[RunView, ...] | None]:
    """Yield views of all runs at every look with news, None at every other, until all are over.

    It never raises RuntimeError, which napari's workers swallow.
    """
    followers = {path: Follower(path) for path in paths}
    views: dict[Path, RunView] = {}
    while followers:
        has_news = False
        for path, follower in list(followers.items()):
            try:
                view = follower.look()
            except Exception as error:
                view = RunView(path, "failed", f"It can no longer be followed: {error}")
            if view is not None:
                views[path], has_news = view, True
                if view.is_over or view.state == "absent":
                    del followers[path]
        yield tuple(views[path] for path in paths if path in views) if has_news else None
        if followers:
            time.sleep(interval_s)


class Comparison:
    """Does what the user asks for with runs other than the one being followed."""

    def __init__(self, session: Session, jobs: BackgroundJobs, notify: Notify) -> None:
        self._session = session
        self._jobs = jobs
        self._notify = notify

    def add(self, folder: Path) -> None:
        """Show the curves of a run, or of all runs in a folder, beside those that are shown."""
        try:
            found = runs_in(folder.resolve())
        except InputError as error:
            self._notify.error(str(error))
            return
        known = [view.path for view in self._session.compared]
        self._follow([*known, *(path for path in found if path not in known)])

    def add_neighbours(self) -> None:
        """Show the curves of all runs that lie beside the one being followed."""
        run = self._session.run
        if run is None:
            self._notify.warning("Open a run first: other runs are shown beside it.")
            return
        self.add(run.path.parent)

    def keep_current(self) -> None:
        """Keep the curves of the run being followed, before another takes its place."""
        run = self._session.run
        paths = [view.path for view in self._session.compared]
        if run is not None and run.path.resolve() not in paths:
            self._follow([*paths, run.path.resolve()])

    def clear(self) -> None:
        """Show the curves of one run only."""
        self._jobs.stop_following("compared")
        self._session.set_compared(())

    def export(self, path: Path) -> None:
        """Write the metrics of all runs shown: a copy (.jsonl), a table (.csv) or a picture."""
        runs = self._session.shown_runs()

        def tell(done: Path) -> None:
            self._notify.info(f"Metrics of {_count(len(runs))} written to {done}.")

        self._jobs.start(
            "Exporting metrics", lambda: export_metrics(runs, path), tell, self._notify.error
        )

    def _follow(self, paths: list[Path]) -> None:
        self._jobs.follow("compared", lambda: follow_together(paths), self._session.set_compared)


def export_metrics(runs: Sequence[RunView], path: Path) -> Path:
    """Write what the runs' ``metrics.jsonl`` hold in the form that the ending of ``path`` names.

    A table has a row for each report and names its run in the first column; units are in the
    names of the columns.

    Raises:
        InputError: for an ending that is not known, no metrics, or a file that cannot be written.

    """
    runs = [run for run in runs if run.metrics]
    kind = path.suffix.lower()
    if not runs:
        raise InputError("There are no metrics yet: they come with a run's first report.")
    if any(path.resolve() == (run.path / layout.METRICS).resolve() for run in runs):
        raise InputError(f"{path} is the run's own file; write to another.")
    if kind == ".jsonl":
        if len(runs) > 1:
            raise InputError(
                f"One .jsonl file cannot hold {len(runs)} runs: choose .csv, or show one run only."
            )
        with atomic_path(path) as temporary:
            shutil.copyfile(runs[0].path / layout.METRICS, temporary)
    elif kind == ".csv":
        _write_table(runs, path)
    elif kind in PICTURES:
        from napari_cryoorient.session.pictures import save_run_curves

        save_run_curves(path, runs)
    else:
        raise InputError(f"{path.name}: choose a name that ends in .jsonl, .csv, .png or .svg.")
    return path


def _write_table(runs: Sequence[RunView], path: Path) -> None:
    names = list(dict.fromkeys(name for run in runs for line in run.metrics for name in line))
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["run", *names])
        for run in runs:
            for line in run.metrics:
                values = [line.get(name) for name in names]
                writer.writerow([str(run.path), *("" if v is None else v for v in values)])


def _count(n: int) -> str:
    return "one run" if n == 1 else f"{n} runs"
