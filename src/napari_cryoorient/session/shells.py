"""Fourier shell correlation in the window: of two maps, or curves that ``fsc`` wrote."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_cryoorient.errors import InputError
from napari_cryoorient.session.background import BackgroundJobs, Notify

if TYPE_CHECKING:
    from napari_cryoorient.maps.fsc import ShellCorrelation

THRESHOLDS = (0.5, 0.143)


@dataclass(frozen=True)
class NamedCurve:
    """One curve and what to call it."""

    label: str
    curve: ShellCorrelation

    def resolutions(self) -> str:
        """Say where it crosses the thresholds, in angstrom."""
        words = []
        for threshold in THRESHOLDS:
            at = self.curve.crossing_angstrom(threshold)
            finest = f"beyond {self.curve.nyquist_angstrom:.1f}"
            words.append(f"{threshold:g}: {finest if at is None else f'{at:.1f}'} Å")
        return ", ".join(words)


def read_curve(path: Path) -> NamedCurve:
    """Read a curve that the command ``fsc`` wrote: its table, or its line of JSON; torch loads.

    Raises:
        InputError: for what is neither.

    """
    from napari_cryoorient.maps.fsc import ShellCorrelation

    try:
        columns = _of_json(path) if path.suffix.lower() == ".json" else _of_table(path)
        frequencies, values, corrected = (
            None if column is None else np.array([_number(v) for v in column]) for column in columns
        )
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(
            f"{path} is no FSC curve: choose a table or JSON that napari-cryoorient fsc wrote."
        ) from error
    if frequencies is None or values is None or len(frequencies) < 3:
        raise InputError(f"{path} has no FSC curve in it: it has fewer than three shells.")
    if (np.diff(frequencies) <= 0).any() or len(values) != len(frequencies):
        raise InputError(f"{path} is no FSC curve: its frequencies do not rise.")
    return NamedCurve(path.stem, ShellCorrelation(frequencies, values, corrected))


def _of_table(path: Path) -> tuple[Any, Any, Any]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    corrected = None
    if rows and "fsc_corrected" in rows[0]:
        corrected = [row["fsc_corrected"] for row in rows]
    return [row["frequency_per_angstrom"] for row in rows], [row["fsc"] for row in rows], corrected


def _of_json(path: Path) -> tuple[Any, Any, Any]:
    text = path.read_text(encoding="utf-8").strip()
    last = text.splitlines()[-1] if text else ""  # what the command printed may stand above it
    found = json.loads(last if last.startswith("{") else text)
    return found["frequencies_per_angstrom"], found["fsc"], found.get("fsc_corrected")


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


class Shells:
    """The curves shown, and the work behind them."""

    changed = Signal()

    def __init__(self, jobs: BackgroundJobs, notify: Notify) -> None:
        self._jobs = jobs
        self._notify = notify
        self.curves: tuple[NamedCurve, ...] = ()

    def compare(self, a: Path, b: Path, *, with_mask: bool = False) -> None:
        """Correlate two maps, within a mask found from both if asked, and show the curve."""
        label = f"{a.stem} / {b.stem}{' (masked)' if with_mask else ''}"

        def work() -> NamedCurve:
            from napari_cryoorient.tasks.fsc import compare_maps

            curve = compare_maps(a, b, mask="auto" if with_mask else None)
            return NamedCurve(label, curve)

        self._start(f"Correlating {label}", work)

    def open(self, path: Path) -> None:
        """Show a curve from a file."""
        self._start(f"Reading {path.name}", lambda: read_curve(path))

    def clear(self) -> None:
        """Show no curve any more."""
        self.curves = ()
        self.changed.emit()

    def _start(self, what: str, work: Callable[[], NamedCurve]) -> None:
        def take(found: NamedCurve) -> None:
            self.curves = (*(c for c in self.curves if c.label != found.label), found)
            self.changed.emit()

        self._jobs.start(what, work, take, self._notify.error)
