"""Whatever is killed, and whenever: what was finished stays, and the end is the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

distributed = pytest.importorskip("distributed")

Run = Callable[..., tuple[int, str, str]]
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("small_ranges"),
    pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems"),
]
# The command with ranges of 64 rows.
PROGRAM = """
import sys
if __name__ == "__main__":
    from napari_cryoorient.cluster import parts
    parts.FEWEST_ROWS = 64
    from napari_cryoorient.cli import main
    sys.exit(main())
"""


def finished(parts: Path) -> dict[Path, int]:
    """Return the parts that are there, and when each was made."""
    there = sorted(parts.glob("search/0*.npz"))
    return {path: path.stat().st_mtime_ns for path in there}


class Command:
    """A search of the stack as a process of its own."""

    def __init__(self, stack: Path, folder: Path, *flags: object) -> None:
        program = folder / "program.py"
        program.write_text(PROGRAM)
        self.out, self.parts, self.log = folder / "out.star", folder / "p", folder / "log.txt"
        files = [stack / "particles.star", "--map", stack / "map.mrc", "-o", self.out]
        words = [sys.executable, program, "search", *files, "--parts", self.parts, *flags]
        self.process = subprocess.Popen(
            [str(word) for word in words],
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )

    def wait_for(self, n_parts: int) -> None:
        """Wait until so many parts are there, or all is done."""
        while self.process.poll() is None and len(finished(self.parts)) < n_parts:
            time.sleep(0.01)

    def end(self) -> int:
        """Wait for the end; return the status."""
        return self.process.wait(timeout=200)


@pytest.fixture
def begin(stack: Path, tmp_path: Path) -> Iterator[Callable[..., Command]]:
    commands: list[Command] = []

    def start(*flags: object) -> Command:
        commands.append(Command(stack, tmp_path, *flags))
        return commands[-1]

    yield start
    for command in commands:
        if command.process.poll() is None:
            command.process.kill()
        command.end()


@pytest.fixture
def search(run: Run, stack: Path, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Search the stack in this process, which costs no start; its status and what it says."""

    def search(*flags: object) -> tuple[int, str]:
        given = [stack / "particles.star", "--map", stack / "map.mrc", "-o", tmp_path / "out.star"]
        status, _, err = run("search", *given, "--parts", tmp_path / "p", *flags)
        return status, err

    return search


def test_the_command_is_killed_at_a_random_moment(
    begin: Callable[..., Command], search: Callable[..., tuple[int, str]], found: Path
):
    seed = time.time_ns() % 1000
    print(f"seed {seed}")
    moments = random.Random(seed)
    command = begin()
    command.wait_for(moments.choice([1, 2, 3]))
    time.sleep(moments.uniform(0, 0.3))
    command.process.kill()
    command.end()
    made = finished(command.parts)
    assert made
    assert not command.out.exists() or command.out.read_bytes() == found.read_bytes()
    status, said = search()
    assert status == 0, said
    assert command.out.read_bytes() == found.read_bytes()
    assert made.items() <= finished(command.parts).items()  # none was made again


class Killed(BaseException):
    """Ends a command as nothing that it catches does."""


def test_it_goes_on_whatever_file_was_the_last_to_be_made(
    search: Callable[..., tuple[int, str]],
    found: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """It ends at each new file in turn; each try makes one more, from the first to the last."""
    out, made = tmp_path / "out.star", []
    really = os.replace

    def replace_and_end(source: Path, target: Path) -> None:
        really(source, target)
        if target not in made:
            made.append(target)
            raise Killed

    monkeypatch.setattr(os, "replace", replace_and_end)
    for _ in range(11):
        with pytest.raises(Killed):
            search()
    assert made[-1] == out
    assert out.read_bytes() == found.read_bytes()
    monkeypatch.undo()
    out.unlink()
    monkeypatch.setattr("napari_cryoorient.cluster.parts.FEWEST_ROWS", 64)
    status, said = search()
    assert (status, out.read_bytes()) == (0, found.read_bytes()), said


def test_ctrl_c_keeps_the_parts_and_a_worker_is_killed_after_that(
    begin: Callable[..., Command],
    search: Callable[..., tuple[int, str]],
    found: Path,
    workers: str,
    kill_a_worker: Callable[[], None],
):
    command = begin("--workers", 1)
    command.wait_for(1)
    os.killpg(command.process.pid, signal.SIGINT)  # as a terminal does it, to the workers too
    status = command.end()
    log = command.log.read_text()
    made = finished(command.parts)
    assert status == 130, log
    assert f"Finished parts are kept in {command.parts}" in log
    assert "Traceback" not in log
    assert made
    assert not command.out.exists()
    kill_a_worker()
    status, said = search("--scheduler", workers)  # another number of them
    assert status == 0, said
    assert command.out.read_bytes() == found.read_bytes()
    assert made.items() <= finished(command.parts).items()


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A scheduler and a worker, started as anybody does; the first of them, and its address."""
    file, dask = folder / "scheduler.json", [sys.executable, "-m", "distributed.cli.dask_"]

    def started(name: str, *flags: object) -> subprocess.Popen[bytes]:
        words = [*dask[:2], dask[2] + name, *map(str, flags)]
        log = (folder / f"{name}.txt").open("w")
        return subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)

    first = started("scheduler", "--scheduler-file", file, "--port", 0, "--no-dashboard")
    flags = ["--nthreads", 1, "--no-dashboard", "--no-nanny", "--death-timeout", 20]
    second = started("worker", "--scheduler-file", file, *flags)
    try:
        while not file.exists():
            time.sleep(0.05)
        yield first, str(distributed.utils.json.loads(file.read_text())["address"])
    finally:
        for process in (first, second):
            process.kill()
            process.wait()


def test_the_scheduler_is_killed(
    search: Callable[..., tuple[int, str]], found: Path, tmp_path: Path
):
    parts = tmp_path / "p"
    is_over = threading.Event()

    def kill_after_the_first_part() -> None:
        while not finished(parts) and not is_over.wait(0.01):
            pass
        is_over.wait(random.uniform(0, 0.1))
        process.kill()

    with scheduler(tmp_path) as (process, address):
        watcher = threading.Thread(target=kill_after_the_first_part)
        watcher.start()
        status, said = search("--scheduler", address)
        is_over.set()
        watcher.join()
    assert status == 2, said
    assert "The scheduler of the Dask cluster is lost" in said
    made = finished(parts)
    assert made
    status, said = search()
    assert status == 0, said
    assert (tmp_path / "out.star").read_bytes() == found.read_bytes()
    assert made.items() <= finished(parts).items()
