"""napari's activity dock shows the work under way, with a button to stop it."""

from __future__ import annotations

from napari.utils import cancelable_progress

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.training_status import standing

TOTAL = 1000


class Activity:
    """Keeps one progress bar in step with the run or the command at work."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._bar: cancelable_progress | None = None
        self._what = ""
        self._is_pulling = self._is_stale = self._is_closed = False
        controller.session.run_changed.connect(self._pull)
        controller.pose_jobs.changed.connect(self._pull)

    def close(self) -> None:
        """Take the bar away and hear no more."""
        self._controller.session.run_changed.disconnect(self._pull)
        self._controller.pose_jobs.changed.disconnect(self._pull)
        self._is_closed = True
        self._end()

    def _pull(self, *_: object) -> None:
        """Bring the bar up to date.

        napari handles events while it makes a bar, among them reports of the same work: these wait
        until the bar is there, or each would begin another one.
        """
        self._is_stale = True
        if self._is_pulling:
            return
        self._is_pulling = True
        try:
            while self._is_stale and not self._is_closed:
                self._is_stale = False
                self._pull_once()
        finally:
            self._is_pulling = False
        if self._is_closed:  # while its bar was made
            self._end()

    def _pull_once(self) -> None:
        session, jobs = self._controller.session, self._controller.pose_jobs
        if session.is_training and session.run is not None:
            now = standing(session.run, is_stopping=session.is_stopping)
            self._show(f"CryoOrient: {session.run.path.name}", now.fraction)
        elif jobs.is_going and jobs.view is not None:
            self._show(f"CryoOrient: {jobs.view.title}", jobs.view.fraction)
        else:
            self._end()

    def _show(self, what: str, fraction: float | None) -> None:
        if self._bar is None or what != self._what:
            self._end()
            self._what = what
            self._bar = cancelable_progress(desc=what, total=TOTAL, cancel_callback=self._stop)
        done = round(TOTAL * (fraction or 0.0))
        if done > self._bar.n:
            self._bar.update(done - self._bar.n)

    def _stop(self) -> None:
        if self._controller.session.is_training:
            self._controller.stop()
        else:
            self._controller.pose_jobs.stop()

    def _end(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()
