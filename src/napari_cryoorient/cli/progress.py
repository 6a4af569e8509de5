"""Progress with time left, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """What a command tells its progress to; calling it with (done, total) is all the core knows."""

    def __init__(self, title: str, total: float | None = None) -> None:
        self.title = title
        self.total = total
        self._began = time.monotonic()
        self._last_line = self._began

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        """State how far the work is, in any unit."""
        self.total = total if total is not None else self.total
        now = time.monotonic()
        if now - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        if self.total is not None:
            note = f"{_time_left(done, self.total, now - self._began)}{', ' if note else ''}{note}"
        of_total = f"/{self.total:.0f}" if self.total is not None else ""
        self.say(f"{self.title}: {done:.0f}{of_total}, {note}")

    def say(self, line: str) -> None:
        """Print one line."""
        print(line, file=sys.stderr, flush=True)


class Bar(Progress):
    """The same, drawn as a bar on a terminal."""

    def __init__(self, title: str, total: float | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        super().__init__(title, total)
        self._rich = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self._task = self._rich.add_task(title, total=total, note="")
        self._rich.start()

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        """Move the bar."""
        self._rich.update(self._task, completed=done, total=total or self.total, note=note)

    def say(self, line: str) -> None:
        """Print one line above the bar."""
        self._rich.console.print(line, highlight=False, markup=False)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._rich.stop()


@contextmanager
def progress(title: str, total: float | None = None) -> Iterator[Progress]:
    """Show progress while the block runs."""
    if not sys.stderr.isatty():
        yield Progress(title, total)
        return
    bar = Bar(title, total)
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


def _time_left(done: float, total: float, seconds: float) -> str:
    if done <= 0:
        return "time left unknown"
    return f"{format_duration(seconds * max(total - done, 0) / done)} left"


def format_duration(seconds: float) -> str:
    """Write a duration as ``42 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
