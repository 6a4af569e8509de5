"""Work in the background, with its end and its errors told in the window's own thread.

napari's workers swallow RuntimeError, so that a job returns its error instead of raising it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from napari.qt.threading import FunctionWorker, GeneratorWorker
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_cryoorient.errors import InputError
from napari_cryoorient.session.follow import RunView, follow
from napari_cryoorient.session.launch import Launched

T = TypeVar("T")
FOLLOW = "follow "
_LOG = logging.getLogger(__name__)


class _QuietFunction(FunctionWorker):  # type: ignore[misc]
    """A worker that may outlive the application: nobody is left to tell then."""

    def run(self) -> None:
        """Do the work; an exception that leaves this method would end the process."""
        with suppress(RuntimeError):  # "wrapped C/C++ object has been deleted"
            super().run()


class _QuietGenerator(GeneratorWorker):  # type: ignore[misc]
    """The same for a stream of looks."""

    def run(self) -> None:
        """Do the work; an exception that leaves this method would end the process."""
        with suppress(RuntimeError):
            super().run()


class Jobs(QObject):
    """Starts jobs and keeps them; the newest of a kind is the one whose result counts."""

    busy_changed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._newest: dict[str, int] = {}
        self._serial = 0
        self._running: dict[int, tuple[str, Any]] = {}
        self._is_closed = False

    def start(
        self,
        kind: str,
        function: Callable[[], Any],
        then: Callable[[Any], None],
        otherwise: Callable[[str], None] = show_error,
    ) -> None:
        """Run ``function`` in the background, then hand over its result, or a sentence on why not.

        A job of the same kind that is still running loses its voice.
        """
        serial = self._enter(kind)

        def work() -> tuple[Any, str | None]:
            try:
                return function(), None
            except InputError as error:
                return None, str(error)
            except Exception as error:
                _LOG.exception("%s did not work", kind)
                reason = str(error).strip().rstrip(".") or "no reason was given"
                return None, f"{kind} did not work: {reason}. More is in napari's terminal."

        def tell(outcome: tuple[Any, str | None]) -> None:
            is_newest = self._leave(kind, serial)
            result, sentence = outcome
            if not is_newest:
                return
            if sentence is None:
                then(result)
            else:
                otherwise(sentence)

        # Not through create_worker, which has napari ask about it by its address when closing.
        worker = _QuietFunction(work)
        worker.returned.connect(tell)
        self._running[serial] = (kind, worker)
        self.busy_changed.emit(self.busy)
        worker.start()

    def follow_run(
        self, path: Path, launched: Launched | None, then: Callable[[RunView], None]
    ) -> None:
        """Follow a run folder until the run is over, or until another one is followed."""
        self.follow("run", lambda: follow(path, launched), then)

    def follow(
        self, what: str, looks: Callable[[], Iterator[T | None]], then: Callable[[T], None]
    ) -> None:
        """Hand over what a stream of looks finds, Nones left out, until it ends or is let go of.

        A stream that was followed under the same name is let go of.  A stream ends its worker
        without a word by raising RuntimeError: it has to catch its own errors.
        """
        self.stop_following(what)
        kind = FOLLOW + what
        serial = self._enter(kind)

        def work() -> Iterator[T | None]:
            yield from looks()

        def tell(found: T | None) -> None:
            if found is not None and self._newest.get(kind) == serial and not self._is_closed:
                then(found)

        worker = _QuietGenerator(work)
        worker.yielded.connect(tell)
        worker.finished.connect(lambda: self._running.pop(serial, None))
        self._running[serial] = (kind, worker)
        worker.start()

    def stop_following(self, what: str = "run") -> None:
        """Let go of what is followed; it continues by itself."""
        self._newest.pop(FOLLOW + what, None)
        for kind, worker in list(self._running.values()):
            if kind == FOLLOW + what:
                worker.quit()

    @property
    def busy(self) -> str:
        """What is being done in the background, for people; empty when nothing is."""
        kinds = [kind for kind, _ in self._running.values() if not kind.startswith(FOLLOW)]
        return kinds[-1] if kinds else ""

    def close(self) -> None:
        """Quit what can be quit and hear no more of the rest."""
        self._is_closed = True
        self._newest.clear()
        for _, worker in list(self._running.values()):
            worker.quit()

    def _enter(self, kind: str) -> int:
        self._serial += 1
        self._newest[kind] = self._serial
        return self._serial

    def _leave(self, kind: str, serial: int) -> bool:
        """Forget a job that has ended; tell whether anybody still waits for it."""
        self._running.pop(serial, None)
        if self._is_closed:
            return False
        self.busy_changed.emit(self.busy)
        return self._newest.get(kind) == serial
