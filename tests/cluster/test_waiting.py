"""The time that jobs stand in a queue is no part of the time left."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("distributed")

from napari_cryoorient.cluster.dask_executor import DaskExecutor


class Future:
    """One that is done once there is a worker."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def done(self) -> bool:
        return self._queue.has_worker

    def result(self) -> int:
        return 64

    def add_done_callback(self, _call: object) -> None:
        pass


class Queue:
    """A client of a cluster whose first worker comes at the third look."""

    status = "running"
    looks = 0

    @property
    def has_worker(self) -> bool:
        return self.looks > 2

    def nthreads(self) -> dict[str, int]:
        self.looks += 1
        return {"tcp://a": 1} if self.has_worker else {}

    def submit(self, *_: object, **__: object) -> Future:
        return Future(self)


class Task:
    name, needs, device = "a", (), "cpu"


def test_the_work_begins_when_a_worker_is_there():
    client: Any = Queue()
    tasks: Any = iter([Task(), Task()])
    heard = [(n, client.has_worker) for n in DaskExecutor(client, 1).work(tasks, lambda: False)]
    assert sorted(heard) == [(0, True), (64, True), (64, True)]
    assert len(heard) == 3
