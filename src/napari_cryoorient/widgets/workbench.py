"""What outlives the panel: session, background work and what is remembered, one for each window.

Closing the panel and opening it again builds new widgets over the same workbench.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.utils import notifications
from qtpy.QtCore import QEvent, QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMainWindow, QMessageBox

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.viewer.napari_api import preferences
from napari_cryoorient.widgets.activity import Activity
from napari_cryoorient.widgets.jobs import Jobs
from napari_cryoorient.widgets.memory import Memory

if TYPE_CHECKING:
    import napari


class Notifications:
    """napari's own notifications."""

    def info(self, sentence: str) -> None:
        """Tell that something went well."""
        notifications.show_info(on_screen(sentence))

    def warning(self, sentence: str) -> None:
        """Tell of something to look at."""
        notifications.show_warning(on_screen(sentence))

    def error(self, sentence: str) -> None:
        """Tell that something did not work."""
        notifications.show_error(on_screen(sentence))


class Workbench(QObject):
    """Holds the session of one napari window until that window is closed."""

    closing = Signal()  # the window is about to go, and has been allowed to
    closed = Signal()  # it has gone

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self.memory = memory
        self.session = Session()
        self.jobs = Jobs(self)
        self.controller = Controller(self.session, self.jobs, Notifications())
        self.activity = Activity(self.controller)
        self._window: QMainWindow | None = None
        self._is_closing = self._is_closed = False
        # Where docks stand and which tabs are in front.
        self.layout: dict[str, Any] = memory.layout()
        wanted = preferences()
        self.session.adopt_settings(device=wanted.device)
        memory.recall_settings(self.session)
        if wanted.project_dir:
            self.session.project_dir = Path(wanted.project_dir)
        jobs = self.jobs  # they go with this object, and PySide finds no method of theirs then
        self.destroyed.connect(lambda *_: jobs.close())

    def attach(self, window: QMainWindow) -> None:
        """Watch the window, to ask before it closes on work under way."""
        if self._window is None:
            self._window = window
            window.installEventFilter(self)

    def keep(self) -> None:
        """Remember for the next time."""
        self.memory.keep_settings(self.session.settings)
        for path in (self.session.data.star_path, self.session.data.map_path):
            if path is not None:
                self.memory.keep_folder(path.parent)
        self.memory.keep_layout(self.layout)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Ask what becomes of a run when napari is closed; let go of all once it is."""
        if event is None or watched is not self._window:
            return False
        if event.type() == QEvent.Type.Close:
            if self.is_at_work and not self.ask_before_closing():
                event.ignore()
                return True
            self._is_closing = True
            self.closing.emit()
        elif event.type() == QEvent.Type.Hide and self._is_closing and not event.spontaneous():
            self.close()  # napari did not change its mind
        return False

    @property
    def is_at_work(self) -> bool:
        """Whether a run or a command is under way."""
        return self.session.is_training or self.controller.pose_jobs.is_going

    def ask_before_closing(self) -> bool:
        """Ask once what becomes of the work under way; tell whether the window may close."""
        box = QMessageBox(self._window)
        box.setWindowTitle("CryoOrient")
        stays = self.session.is_training
        if stays:
            box.setText("Training is still running. Keep it running, or stop it?")
            go_on = box.addButton("Keep it running", QMessageBox.ButtonRole.AcceptRole)
        else:
            view = self.controller.pose_jobs.view
            what = "A command" if view is None else view.title
            box.setText(f"{what} is not finished, and ends with napari. Close napari?")
            go_on = box.addButton("Close", QMessageBox.ButtonRole.AcceptRole)
        stop = box.addButton("Stop it", QMessageBox.ButtonRole.DestructiveRole) if stays else None
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        if stop is not None and box.clickedButton() is stop:
            self.controller.stop()
        return box.clickedButton() in (go_on, stop)

    def close(self) -> None:
        """Let go of the window, the background and the session; a run continues by itself."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None
        self.closed.emit()
        self.keep()
        self.activity.close()
        self.controller.close()
        self.jobs.close()
        for viewer in [v for v, bench in _WORKBENCHES.items() if bench is self]:
            del _WORKBENCHES[viewer]


_WORKBENCHES: WeakKeyDictionary[Any, Workbench] = WeakKeyDictionary()


def workbench_of(viewer: napari.viewer.Viewer, memory: Callable[[], Memory] = Memory) -> Workbench:
    """Return the workbench of a viewer, made when it is first asked for."""
    whole = getattr(viewer, "__wrapped__", viewer)  # napari hands plugins a short-lived proxy
    if whole not in _WORKBENCHES:
        _WORKBENCHES[whole] = Workbench(memory())
    return _WORKBENCHES[whole]
