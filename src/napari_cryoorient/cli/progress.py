"""Progress with time left, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_cryoorient.environment import STATUS_VARIABLE
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.reporting import Reporter, format_duration

SECONDS_BETWEEN_LINES = 5.0
SECONDS_BETWEEN_STATUS = 0.2


class Progress:
    """What a command tells its progress to; calling it with (done, total) is all the core knows."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._first: tuple[float, float] | None = None
        self._last_line = -math.inf

    def __call__(
        self, done: float, total: float, *, time_left_s: float | None = None, note: str = ""
    ) -> None:
        """State how far the work is, in any unit; the time left is estimated unless it is given."""
        now = time.monotonic()
        is_last = done >= total
        left = "done" if is_last else self._time_left(done, total, time_left_s)
        if now - self._last_line < SECONDS_BETWEEN_LINES and not is_last:
            return
        self._last_line = now
        self.say(", ".join(filter(None, [f"{self._title}: {done:.0f}/{total:.0f}", left, note])))

    @property
    def reporter(self) -> Reporter:
        """What the core reports to, shown here."""
        return Reporter(say=self.say, step=self.restart, progress=self)

    def restart(self, title: str) -> None:
        """Begin another part of the work, whose time left is estimated by itself."""
        self._title = title
        self._first = None
        self._last_line = -math.inf

    def say(self, line: str) -> None:
        """Print one line."""
        print(line, file=sys.stderr, flush=True)

    def _time_left(self, done: float, total: float, known_s: float | None) -> str:
        """Say the time left, as given or estimated."""
        estimated_s = self._seconds_left(done, total)
        left_s = estimated_s if known_s is None else known_s
        return "" if left_s is None else f"{format_duration(left_s)} left"

    def _seconds_left(self, done: float, total: float) -> float | None:
        """Estimate by the speed since the first call, which start-up has no part in."""
        now = time.monotonic()
        if self._first is None:
            self._first = now, done
        began, done_then = self._first
        if done <= done_then:
            return None
        return (now - began) * max(total - done, 0) / (done - done_then)


class StatusFile(Progress):
    """The same lines, and how far the work is in a JSON file that is replaced meanwhile.

    It holds ``title``, ``done``, ``total`` (null where not known), ``left_s``, ``note`` and the
    sentences ``said`` so far.
    """

    def __init__(self, title: str, path: Path) -> None:
        super().__init__(title)
        self._path = path
        self._said: list[str] = []
        self._last_status = -math.inf
        self._write()

    def __call__(
        self, done: float, total: float, *, time_left_s: float | None = None, note: str = ""
    ) -> None:
        """State how far the work is."""
        super().__call__(done, total, time_left_s=time_left_s, note=note)
        now = time.monotonic()
        if done >= total or now - self._last_status >= SECONDS_BETWEEN_STATUS:
            left_s = self._seconds_left(done, total) if time_left_s is None else time_left_s
            self._write(done=done, total=total, left_s=left_s, note=note)

    def restart(self, title: str) -> None:
        """Begin another part of the work."""
        super().restart(title)
        self._write()

    def say(self, line: str) -> None:
        """Print one line; progress itself is not among what was said."""
        super().say(line)
        if not line.startswith(f"{self._title}: "):
            self._said.append(line)

    def _write(self, **numbers: float | str | None) -> None:
        self._last_status = time.monotonic()
        nothing = {"done": 0.0, "total": None, "left_s": None, "note": ""}
        content = {"title": self._title, **nothing, **numbers, "said": self._said}
        try:
            with atomic_path(self._path) as temporary:
                temporary.write_text(json.dumps(_plain(content)), encoding="utf-8")
        except (InputError, OSError):  # the work does not depend on who watches
            return


class Bar(Progress):
    """The same, drawn as a bar on a terminal."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        super().__init__(title)
        whole = Column(no_wrap=True, overflow="ignore")
        self._rich = RichProgress(
            TextColumn("{task.description}", table_column=whole),
            BarColumn(bar_width=14),
            TextColumn("{task.percentage:>3.0f}%", table_column=whole),
            TimeElapsedColumn(table_column=whole),
            TextColumn("{task.fields[left]}", table_column=whole),
            # The first to give way on a narrow terminal.
            TextColumn(
                "{task.fields[note]}",
                style="dim",
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=Console(stderr=True),
            refresh_per_second=4,
            expand=True,
        )
        self._add(title)
        self._rich.start()

    def __call__(
        self, done: float, total: float, *, time_left_s: float | None = None, note: str = ""
    ) -> None:
        """Move the bar."""
        left = "" if done >= total else self._time_left(done, total, time_left_s)
        self._rich.update(self._task, completed=done, total=total, left=left, note=note)

    def restart(self, title: str) -> None:
        """Put another bar below, in place of one that never moved."""
        super().restart(title)
        if self._rich.tasks[-1].total is None:  # it never moved
            self._rich.remove_task(self._task)
        self._add(title)

    def say(self, line: str) -> None:
        """Print one line above the bar."""
        self._rich.console.print(line, highlight=False, markup=False)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._rich.stop()

    def _add(self, title: str) -> None:
        self._task = self._rich.add_task(title, total=None, left="", note="")


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Show progress while the block runs."""
    status = os.environ.pop(STATUS_VARIABLE, None)  # not for commands that this one starts
    if status:
        yield StatusFile(title, Path(status))
        return
    if not sys.stderr.isatty():
        yield Progress(title)
        return
    bar = Bar(title)
    try:
        yield bar
    finally:
        bar.close()


def print_json(results: dict[str, Any]) -> None:
    """Print the one machine-readable line; a number that is not finite becomes null."""
    print(json.dumps(_plain(results)), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    return _plain(value.item()) if hasattr(value, "item") else str(value)
