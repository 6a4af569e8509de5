"""A process of the command line: its arguments, its start, its last words.

It is a process of its own, in a session of its own, so that it outlives the window if need be.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.config.base import source_arguments
from napari_cryoorient.environment import STATUS_VARIABLE
from napari_cryoorient.errors import InputError
from napari_cryoorient.runs.layout import TERMINAL
from napari_cryoorient.session.data import Data

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def train_arguments(
    data: Data, settings: TrainConfig, run_dir: Path, *, project_dir: Path | None = None
) -> list[str]:
    """Return ``train ...``: only what differs from the defaults is spelled out.

    Raises:
        InputError: where stack or map are missing.

    """
    if data.star_path is None or data.map_path is None:
        missing = "a particle STAR file" if data.star_path is None else "a map"
        raise InputError(f"Training needs {missing} as well: choose it under 1 Data.")
    arguments = ["train", str(data.star_path), "--map", str(data.map_path), "-o", str(run_dir)]
    arguments += settings.arguments(always={"w"})
    return arguments + source_arguments(data.map_pixel_size_angstrom, project_dir)


def resume_arguments(
    star: Path, map_path: Path, run_dir: Path, *, w: float | None = None
) -> list[str]:
    """Return the arguments that go on with a run as it was set, but for ``w``."""
    arguments = ["train", str(star), "--map", str(map_path), "-o", str(run_dir), "--resume"]
    return arguments if w is None else [*arguments, *TrainConfig.arguments_of({"w": w})]


def command_text(arguments: list[str]) -> str:
    """Return the command as one types it in a terminal."""
    return shlex.join(["napari-cryoorient", *arguments])


def next_run_dir(folder: Path, stem: str = "run") -> Path:
    """Return the first free ``run-001``, ``run-002``, ... in a folder."""
    number = 1
    while (folder / f"{stem}-{number:03d}").exists():
        number += 1
    return folder / f"{stem}-{number:03d}"


@dataclass(frozen=True)
class Launched:
    """A process that was started here, and the folder it writes to."""

    process: subprocess.Popen[bytes]
    run_dir: Path

    def exit_status(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self.process.poll()

    def last_words(self) -> str:
        """Return the last line the process wrote, which says what was wrong."""
        try:
            text = (self.run_dir / TERMINAL).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def interrupt(self) -> None:
        """Ask the process to end as Ctrl-C does; where there is no such thing, end it."""
        if self.exit_status() is None:
            if os.name == "nt":
                self.process.terminate()
            else:
                self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()


def launch(arguments: list[str], run_dir: Path, status_file: Path | None = None) -> Launched:
    """Start ``napari-cryoorient`` with these arguments; what it says goes to a file in the folder.

    A command that is not a run tells how far it is in ``status_file``.  One core is left to the
    window where torch would take them all.

    Raises:
        InputError: where the folder cannot be made or the process cannot start.

    """
    environment = dict(os.environ)
    for name in _THREAD_SETTINGS:
        environment.setdefault(name, str(max(1, (os.cpu_count() or 2) - 1)))
    if status_file is not None:
        environment[STATUS_VARIABLE] = str(status_file)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        with (run_dir / TERMINAL).open("wb") as terminal:
            process = subprocess.Popen(
                [sys.executable, "-m", "napari_cryoorient", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        raise InputError(f"The run in {run_dir} could not be started: {error.strerror}.") from error
    return Launched(process, run_dir)
