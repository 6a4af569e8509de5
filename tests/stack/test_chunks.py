"""Work chunk by chunk: order, stops, and memory that runs out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from napari_cryoorient.reporting import SILENT
from napari_cryoorient.stack.chunks import in_threads

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
