"""Memory in use, in the run's record; memory that is allowed, and what chunks make of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient import memory
from napari_cryoorient.budget import Budget, budget_in_force, held_to
from napari_cryoorient.config import RefineConfig, SearchConfig
from napari_cryoorient.device import one_thread_each, room_for
from napari_cryoorient.errors import InputError
from napari_cryoorient.memory import budget_of, memory_in_use, within_memory
from napari_cryoorient.runs.folder import RunFolder
from napari_cryoorient.runs.reader import RunReader


def test_what_is_allocated_shows() -> None:
    before = memory_in_use()["resident_bytes"]
    held = np.ones(2**25)  # 256 MiB, every page touched
    assert 0.8 * held.nbytes < memory_in_use()["resident_bytes"] - before < 1.2 * held.nbytes


def test_a_run_tells_of_it(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_gpu_bytes", lambda: 3 * 2**30)
    folder = RunFolder(tmp_path / "run", resume=False, config={})
    record = RunReader(tmp_path / "run").run()
    folder.close("stopped")
    assert record is not None
    assert record.memory.gpu_bytes == 3 * 2**30
    assert (record.memory.resident_bytes or 0) > 10 * 2**20


def test_a_cpu_takes_its_usual_chunk_and_halves_of_it_where_less_is_allowed() -> None:
    cpu = torch.device("cpu")

    def room(box: int, gib: float | None = None) -> int:
        with held_to(None if gib is None else budget_of(gib)):
            return room_for(4 * 24 * box**2, cpu, cpu=128, most=16384)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        # What is worked on together does not depend on how much is free, as long as it is enough.
        assert [room(box) for box in (64, 128, 256, 400, 512)] == [128, 128, 128, 64, 32]
        assert [room(box, 64.0) for box in (64, 128, 256, 400, 512)] == [128, 128, 128, 64, 32]
        assert [room(box, 1.0) for box in (64, 128, 256, 400, 512)] == [128, 64, 16, 8, 4]
        assert room(4096, 0.25) == 1
        with one_thread_each(cpu), held_to(budget_of(1.0)):  # its threads share what is allowed
            assert room_for(4 * 24 * 128**2, cpu, cpu=128, most=16384) == 64
    finally:
        torch.set_num_threads(before)


def test_by_default_half_of_what_is_free_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    assert budget_of(None) == Budget(500)
    assert budget_of(2.0) == Budget(2**31, is_given=True)
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    assert budget_of(None) is None


def test_a_function_is_held_to_what_its_config_allows() -> None:
    @within_memory
    def inner(config: SearchConfig) -> Budget | None:
        return budget_in_force()

    @within_memory
    def outer(x: int, config: RefineConfig = RefineConfig(memory_gib=1.0)) -> list[Budget | None]:
        return [budget_in_force(), inner(SearchConfig()), inner(SearchConfig(memory_gib=float(x)))]

    gib = 2**30
    assert outer(3) == [Budget(gib, True), Budget(gib, True), Budget(3 * gib, True)]
    assert budget_in_force() is None
    assert inner(SearchConfig()) is not None  # of what is free


def test_work_that_needs_more_than_is_allowed_is_refused() -> None:
    with held_to(budget_of(1.0)), pytest.raises(InputError, match=r"1\.0 GiB are allowed: .*--mem"):
        memory.refuse_beyond(2**31, "This")
    with held_to(Budget(2**30)):  # nobody asked for it
        memory.refuse_beyond(2**31, "This")
