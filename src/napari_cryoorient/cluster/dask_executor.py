"""Tasks of a Dask cluster, which decides who does which and what is tried again."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from napari_cryoorient.cluster.shard import Task
from napari_cryoorient.errors import InputError
from napari_cryoorient.reporting import ShouldStop

if TYPE_CHECKING:
    from distributed import Client, Future

# A task that fails is tried so many times more; one that ends its worker too.
RETRIES = 3
# Tasks that wait for each thread at work, so that none is idle; all together they would fill the
# scheduler's memory.
AHEAD, FEWEST_AHEAD = 3, 8
_ASK_S, _COUNT_S, _KEEP_S = 0.2, 2.0, 5.0


LOST = (
    "The scheduler of the Dask cluster is lost; finished parts are kept: give the same command "
    "again, with a scheduler that runs."
)
ENDED = (
    f"{RETRIES + 1} workers ended one after the other at the same range of particles, as they do "
    "where memory runs out: give each more memory; finished parts are kept."
)


class DaskExecutor:
    """The workers of a cluster that ``client`` is connected to; ``device`` is theirs.

    ``n_places`` is how many tasks go on at a time, once all workers are there.  ``keep`` is called
    now and then, to start those anew that have ended.
    """

    def __init__(
        self,
        client: Client,
        n_places: int,
        device: str | None = None,
        keep: Callable[[], object] | None = None,
    ) -> None:
        self._client, self._keep = client, keep
        self.n_places, self.device = n_places, device
        self._last_kept = time.monotonic()
        self._n_counted, self._last_counted = 0, 0.0
        self._any_done = threading.Event()

    def work(self, tasks: Iterator[Task], should_stop: ShouldStop) -> Iterator[int]:
        """Have every task done; raises InputError where the cluster is lost or cannot do it."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.comm import CommClosedError

        under_way: dict[Future, str] = {}
        try:
            yield from self._worked(tasks, under_way, should_stop)
        except KilledWorker as error:
            raise InputError(ENDED) from error
        except (FutureCancelledError, CommClosedError) as error:
            raise InputError(LOST) from error
        finally:
            if under_way and self._is_there():
                with suppress(OSError):
                    self._client.cancel(list(under_way), force=True)

    def start(self, function: Callable[..., Any], *arguments: object) -> Future:
        """Have a function called by a worker, and by another where that one is lost."""
        return self._client.submit(function, *arguments, retries=RETRIES, pure=False)

    def take_back(self, future: Future) -> None:
        """Have nothing come of what was started."""
        if self._is_there():
            with suppress(OSError):
                self._client.cancel([future], force=True)

    def look(self) -> None:
        """See to the workers; raises InputError where the cluster is lost."""
        if not self._is_there():
            raise InputError(LOST)
        self._keep_workers()

    def _worked(
        self, tasks: Iterator[Task], under_way: dict[Future, str], should_stop: ShouldStop
    ) -> Iterator[int]:
        is_waiting = True
        while not should_stop():
            if is_waiting and self._n_threads():
                is_waiting = False
                yield 0  # jobs may have stood in a queue for hours
            n_wanted = self._n_ahead() - len(under_way)
            for task in islice(tasks, max(0, n_wanted)):
                under_way[self._begin(task, under_way)] = task.name
            if not under_way:
                return
            self._keep_workers()
            for future in self._done_of(under_way):
                del under_way[future]
                yield int(future.result())

    def _begin(self, task: Task, under_way: dict[Future, str]) -> Future:
        # What is done already needs no waiting for: its result is a file.
        before = [future for future, name in under_way.items() if name in task.needs]
        future = self._client.submit(do_alone, task, before, retries=RETRIES, pure=False)
        future.add_done_callback(lambda _: self._any_done.set())
        return future

    def _keep_workers(self) -> None:
        if self._keep is not None and time.monotonic() - self._last_kept > _KEEP_S:
            self._last_kept = time.monotonic()
            self._keep()

    def _n_threads(self) -> int:
        """Return how many threads the workers have: asked now and then, for each answer costs."""
        now = time.monotonic()
        if not self._n_counted or now - self._last_counted > _COUNT_S:
            self._last_counted = now
            self._n_counted = sum(self._client.nthreads().values()) if self._is_there() else 0
        return self._n_counted

    def _n_ahead(self) -> int:
        return max(FEWEST_AHEAD, AHEAD * self._n_threads())

    def _is_there(self) -> bool:
        return bool(self._client.status == "running")

    def _done_of(self, under_way: dict[Future, str]) -> list[Future]:
        """Return the futures that are done, within a moment; maybe none."""
        self._any_done.wait(_ASK_S)
        self._any_done.clear()
        if not self._is_there():
            raise InputError(LOST)
        return [future for future in under_way if future.done()]


def do_alone(task: Any, before: list[int]) -> int:  # noqa: ARG001
    """Do a task in a worker: with one thread on a CPU, on a GPU of its own where there are."""
    import torch
    from distributed import get_worker

    torch.set_num_threads(1)
    done: int = replace(task, device=device_of(str(get_worker().name), task.device)).do()
    return done


def device_of(worker: str, device: str) -> str:
    """Return the device of a worker of this name: GPUs are dealt out by the number in it."""
    import torch

    n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    number = re.search(r"(\d+)$", worker)
    if n < 2 or device not in ("auto", "cuda") or number is None:
        return device
    return f"cuda:{int(number[1]) % n}"
