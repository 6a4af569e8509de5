"""Work on particles chunk by chunk: read ahead, a chunk in each thread, results in order.

The arrays of one chunk are too small for torch to share out among cores, so each thread of a CPU
takes a chunk of its own; a GPU gets one after the other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

from napari_cryoorient.device import in_halves, one_thread_each
from napari_cryoorient.particles import Images, ImageSource, Integers
from napari_cryoorient.reporting import SILENT, Reporter, ShouldStop

Data = TypeVar("Data")
Reading = Future[Images]
Ahead = tuple[Integers, list[Reading]]
Result = TypeVar("Result")


class Stopped(Exception):
    """Raised by work that was requested to stop in the middle of a chunk."""


def in_threads(
    n: int,
    size: int,
    device: torch.device,
    *,
    load: Callable[[slice], Data],
    work: Callable[[slice, Data, ShouldStop], Result],
    reporter: Reporter = SILENT,
) -> Iterator[Result]:
    """Yield the result of ``work`` for each ``size`` of n particles, in order.

    ``load`` reads a chunk, always in one thread, ahead of the work; ``work`` is told when to give
    up, and raises ``Stopped``.  Where memory runs out, a chunk is done in halves, each of which is
    a result.  It ends early when the reporter says so; what the reporter raises is raised here.
    """
    chunks = iter([slice(start, min(start + size, n)) for start in range(0, n, size)])
    is_over = threading.Event()

    def ends() -> bool:
        return is_over.is_set() or reporter.should_stop()

    def whole(chunk: slice, loaded: Future[Data]) -> Result:
        data = loaded.result()
        if ends():
            raise Stopped
        return work(chunk, data, ends)

    def worked(chunk: slice, waiting: list[Future[Data]]) -> list[Result]:
        def work_on(part: slice) -> Result:
            # Taken out: what does not fit must not be kept.
            return whole(part, waiting.pop() if waiting else reader.submit(load, part))

        return in_halves(work_on, chunk, device)

    with (
        one_thread_each(device) as n_threads,
        ThreadPoolExecutor(1, "read-particles") as reader,
        ThreadPoolExecutor(n_threads, "chunks") as workers,
    ):
        under_way: deque[tuple[slice, Future[list[Result]]]] = deque()

        def begin(chunk: slice) -> None:
            loaded = reader.submit(load, chunk)
            under_way.append((chunk, workers.submit(worked, chunk, [loaded])))

        try:
            for chunk in islice(chunks, n_threads + 1):
                begin(chunk)
            while under_way and not ends():
                chunk, future = under_way.popleft()
                try:
                    results = future.result()
                except Stopped:
                    return
                for following in islice(chunks, 1):
                    begin(following)
                yield from results
                reporter.progress(chunk.stop, n)
        finally:
            is_over.set()


def read_ahead(
    source: ImageSource, parts: Sequence[Integers], device: torch.device
) -> Generator[Ahead, None, None]:
    """Yield rows part by part, each with its images as one that is read beside a GPU's work.

    Whoever works on them takes that out: what does not fit must not be kept.  On a CPU, whose
    threads read and work by turns, there is none.
    """
    if device.type == "cpu":
        yield from ((part, []) for part in parts)
        return
    with ThreadPoolExecutor(1, "read-images") as reader:
        reads = deque(reader.submit(source.read, part) for part in parts[:1])
        try:
            for k, part in enumerate(parts):
                reads.extend(reader.submit(source.read, each) for each in parts[k + 1 : k + 2])
                yield part, [reads.popleft()]
        finally:
            for read in reads:
                read.cancel()
