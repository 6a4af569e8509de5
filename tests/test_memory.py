"""Memory in use is what the process holds now, and stands in the run's record."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cryoorient import memory as module
from napari_cryoorient.memory import memory_in_use
from napari_cryoorient.runs.folder import RunFolder
from napari_cryoorient.runs.reader import RunReader


def test_what_is_allocated_shows() -> None:
    before = memory_in_use()["resident_bytes"]
    held = np.ones(2**25)  # 256 MiB, every page touched
    assert 0.8 * held.nbytes < memory_in_use()["resident_bytes"] - before < 1.2 * held.nbytes


def test_a_run_tells_of_it(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_gpu_bytes", lambda: 3 * 2**30)
    folder = RunFolder(tmp_path / "run", resume=False, config={})
    record = RunReader(tmp_path / "run").run()
    folder.close("stopped")
    assert record is not None
    assert record.memory.gpu_bytes == 3 * 2**30
    assert (record.memory.resident_bytes or 0) > 10 * 2**20
