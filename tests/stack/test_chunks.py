"""Work chunk by chunk: order, stops, and memory that runs out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
import torch

from napari_cryoorient.particles import ArrayImages, DerivedImages, Images, Integers
from napari_cryoorient.reporting import SILENT
from napari_cryoorient.stack.chunks import in_threads, read_ahead

CPU = torch.device("cpu")


def numbers(chunk: slice) -> list[int]:
    return list(range(chunk.start, chunk.stop))


def test_results_come_in_order_and_progress_ends_at_all() -> None:
    told: list[tuple[float, float]] = []
    telling = SILENT.watched(lambda *t: told.append(t))
    parts = in_threads(10, 3, CPU, load=numbers, work=lambda _, data, __: data, reporter=telling)
    assert list(parts) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert told == [(3, 10), (6, 10), (9, 10), (10, 10)]


def holding(most: int) -> Callable[[slice, list[int], object], list[int]]:
    """Return work that runs out of memory for more than ``most``."""

    def work(_: slice, data: list[int], __: object) -> list[int]:
        if len(data) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return data

    return work


def test_a_chunk_that_does_not_fit_is_done_in_halves() -> None:
    parts = list(in_threads(10, 8, CPU, load=numbers, work=holding(3)))
    assert parts == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_reading_that_does_not_fit_is_done_in_halves() -> None:
    def load(chunk: slice) -> list[int]:
        return holding(2)(chunk, numbers(chunk), None)

    parts = list(in_threads(5, 5, CPU, load=load, work=lambda _, data, __: data))
    assert parts == [[0, 1], [2], [3, 4]]


def test_one_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        list(in_threads(4, 4, CPU, load=numbers, work=holding(0)))


class ToldImages(DerivedImages):
    """Tells when it is read."""

    def __init__(self, n: int) -> None:
        super().__init__(ArrayImages(np.arange(4.0 * n, dtype=np.float32).reshape(n, 2, 2), 1.0))
        object.__setattr__(self, "reads", [threading.Event() for _ in range(n)])

    def read(self, indices: Integers) -> Images:
        images = self.source.read(indices)
        self.reads[int(indices[0])].set()
        return images


def test_the_next_images_are_read_while_a_gpu_works() -> None:
    source = ToldImages(5)
    parts = [np.array([0, 1]), np.array([2, 3]), np.array([4])]
    with closing(read_ahead(source, parts, torch.device("cuda"))) as ahead:
        for k, (part, read) in enumerate(ahead):
            assert part is parts[k]
            following = [int(each[0]) for each in parts[k + 1 : k + 2]]
            assert all(source.reads[row].wait(5) for row in following)
            np.testing.assert_array_equal(read[0].result(), source.read(part))
    assert [part.tolist() for part, read in read_ahead(source, parts, CPU) if not read] == [
        [0, 1], [2, 3], [4],
    ]  # fmt: skip


def test_reading_ahead_ends_with_whoever_reads() -> None:
    source = ToldImages(6)
    parts = [np.array([k]) for k in range(6)]
    with closing(read_ahead(source, parts, torch.device("cuda"))) as ahead:
        next(ahead)
    assert not any(read.is_set() for read in source.reads[2:])
    assert not any("read-images" in thread.name for thread in threading.enumerate())
