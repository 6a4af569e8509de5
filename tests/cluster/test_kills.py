"""Whatever is killed, and whenever: what was finished stays, and the end is the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

pytestmark = [
    pytest.mark.timeout(300),
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

    def finished(self) -> dict[Path, int]:
        """Return the parts that are there, and when each was made."""
        there = sorted(self.parts.glob("search/0*.npz"))
        return {path: path.stat().st_mtime_ns for path in there}

    def wait_for(self, n_parts: int) -> None:
        """Wait until so many parts are there, or all is done."""
        while self.process.poll() is None and len(self.finished()) < n_parts:
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


def workers_of(command: Command) -> list[psutil.Process]:
    children = psutil.Process(command.process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_the_command_is_killed_at_random_moments(begin: Callable[..., Command], found: Path):
    seed = time.time_ns() % 1000
    print(f"seed {seed}")
    moments = random.Random(seed)
    for n_parts in (1, 3):
        command = begin()
        command.wait_for(n_parts)
        time.sleep(moments.uniform(0, 0.5))
        command.process.kill()
        command.end()
        made = command.finished()
        assert len(made) >= n_parts
        assert not command.out.exists() or command.out.read_bytes() == found.read_bytes()
    command = begin()
    assert command.end() == 0, command.log.read_text()
    assert command.out.read_bytes() == found.read_bytes()
    assert made.items() <= command.finished().items()  # none was made again


def test_ctrl_c_keeps_the_parts_and_a_worker_is_killed_after_that(
    begin: Callable[..., Command], found: Path
):
    command = begin("--workers", 1)
    command.wait_for(1)
    os.killpg(command.process.pid, signal.SIGINT)  # as a terminal does it, to the workers too
    status = command.end()
    log = command.log.read_text()
    made = command.finished()
    assert status == 130, log
    assert f"Finished parts are kept in {command.parts}" in log
    assert "Traceback" not in log
    assert made
    assert not command.out.exists()
    command = begin("--workers", 2)  # another number of them
    command.wait_for(len(made) + 1)
    for worker in workers_of(command)[:1]:
        worker.kill()
    assert command.end() == 0, command.log.read_text()
    assert command.out.read_bytes() == found.read_bytes()
    assert made.items() <= command.finished().items()


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A scheduler and a worker, started as anybody does; the first of them, and its address."""
    file, dask = folder / "scheduler.json", [sys.executable, "-m", "distributed.cli.dask_"]

    def started(name: str, *flags: object) -> subprocess.Popen[bytes]:
        words = [*dask[:2], dask[2] + name, *map(str, flags)]
        log = (folder / f"{name}.txt").open("w")
        return subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)

    first = started("scheduler", "--scheduler-file", file, "--port", 0, "--no-dashboard")
    flags = ["--nthreads", 1, "--no-dashboard", "--death-timeout", 20]
    second = started("worker", "--scheduler-file", file, *flags)
    try:
        while not file.exists():
            time.sleep(0.05)
        yield first, str(distributed.utils.json.loads(file.read_text())["address"])
    finally:
        for process in (first, second):
            process.kill()
            process.wait()


def test_the_scheduler_is_killed(begin: Callable[..., Command], found: Path, tmp_path: Path):
    with scheduler(tmp_path) as (process, address):
        command = begin("--scheduler", address)
        command.wait_for(1)
        process.kill()
        assert command.end() == 2, command.log.read_text()
        assert "The scheduler of the Dask cluster is lost" in command.log.read_text()
    made = command.finished()
    assert made
    command = begin()
    assert command.end() == 0, command.log.read_text()
    assert command.out.read_bytes() == found.read_bytes()
    assert made.items() <= command.finished().items()
