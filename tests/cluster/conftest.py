"""A small stack, and what a single process finds in it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_cryoorient.cli import main
from support.command_line import simulated

N = 200


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Particles in noise, some of which stay in doubt, and their map."""
    flags = ["--n", N, "--snr", 0.1, "--shift-sigma", 4]
    return simulated(tmp_path_factory.mktemp("cluster"), *flags)


@pytest.fixture(scope="session")
def found(stack: Path) -> Path:
    """What ``search`` finds in one process."""
    out = stack / "found.star"
    files = [str(stack / "particles.star"), "--map", str(stack / "map.mrc"), "-o", str(out)]
    assert main(["search", *files]) == 0
    return out


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several ranges of a small stack, and their results joined in a file as those of many are."""
    monkeypatch.setattr("napari_cryoorient.cluster.parts.FEWEST_ROWS", 64)
    monkeypatch.setattr("napari_cryoorient.io.long_arrays.SMALL_BYTES", 0)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A Dask cluster of two workers, for all tests: starting one takes seconds."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=":0"
    ) as started:
        yield started


@pytest.fixture
def workers(cluster: Any) -> str:
    """Address of its scheduler, both workers there: one may have been killed just now."""
    cluster.scale(2)  # Dask gives up one that takes long to start again
    cluster.wait_for_workers(2, timeout=120)
    return str(cluster.scheduler_address)


@pytest.fixture
def kill_a_worker(cluster: Any) -> Iterator[Callable[[], None]]:
    """Kill the first worker that is found at a task; that one is found is seen to."""
    killed: list[int] = []
    is_over = threading.Event()
    watchers: list[threading.Thread] = []
    n_workers = len(cluster.scheduler.workers)

    def watch() -> None:
        while not is_over.wait(0.002):
            for state in list(cluster.scheduler.workers.values()):
                if state.processing:
                    killed.append(cluster.workers[state.name].pid)
                    os.kill(killed[0], signal.SIGKILL)
                    return

    def begin() -> None:
        watchers.append(threading.Thread(target=watch))
        watchers[0].start()

    yield begin
    is_over.set()
    watchers[0].join()
    assert killed
    # Its nanny starts another one, which the tests that follow count on.
    latest = time.monotonic() + 30
    while len(cluster.scheduler.workers) < n_workers and time.monotonic() < latest:
        time.sleep(0.05)
