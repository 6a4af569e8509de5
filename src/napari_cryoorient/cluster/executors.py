"""Those who do tasks: this process by itself here, a Dask cluster in ``dask_executor``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, Protocol

from napari_cryoorient.cluster.shard import Task
from napari_cryoorient.device import choose_device, one_thread_each
from napari_cryoorient.reporting import ShouldStop

_ASK_S = 0.2
# Memory for the sums of all threads, where more than one can be afforded.
_SUMS_BYTES = 1 << 32


class Executor(Protocol):
    """Those who do the work."""

    def work(self, tasks: Iterator[Any], should_stop: ShouldStop) -> Iterator[int]:
        """Have every task done; yield 0 as the work begins, then each task's rows as it is done.

        It may end before the last where ``should_stop`` says so.
        """

    @property
    def device(self) -> str | None:
        """Name of the device they take, None for the one of the command."""


class LocalExecutor:
    """All tasks one after the other in this process."""

    device = None

    def work(self, tasks: Iterator[Task], should_stop: ShouldStop) -> Iterator[int]:
        """Do every task."""
        yield 0
        for task in tasks:
            if should_stop():
                return
            yield task.do()


class Threads:
    """Threads of this process, each at a task of ``n_bytes`` of its own, which take one core."""

    def __init__(self, device: str, n_bytes: int) -> None:
        self.device = device
        self._affordable = max(1, _SUMS_BYTES // n_bytes)

    def work(self, tasks: Iterator[Any], should_stop: ShouldStop) -> Iterator[int]:
        """Do every task, those it needs before it; what one raises is raised here."""
        is_over = threading.Event()
        under_way: dict[str, Future[int]] = {}

        def do(task: Any, before: list[Future[int]]) -> int:
            for future in before:  # begun earlier, so that none waits for itself
                future.result()
            done: int = task.do(is_over.is_set)
            return done

        with (
            one_thread_each(choose_device(self.device)) as n_cores,
            ThreadPoolExecutor(n := min(n_cores, self._affordable), "tasks") as pool,
        ):
            try:
                yield 0
                while not should_stop():
                    for task in islice(tasks, 2 * n - len(under_way)):
                        before = [under_way[name] for name in task.needs if name in under_way]
                        under_way[task.name] = pool.submit(do, task, before)
                    if not under_way:
                        return
                    wait(under_way.values(), _ASK_S, FIRST_COMPLETED)
                    for name in [name for name, future in under_way.items() if future.done()]:
                        yield under_way.pop(name).result()
            finally:
                is_over.set()
