"""Which device is taken, and how arrays get there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient import device as module
from napari_cryoorient.device import choose_device, is_able, on_device
from napari_cryoorient.geometry.rotations import widest_dtype

CPU, MPS = torch.device("cpu"), torch.device("mps")


def test_mps_is_taken_by_itself_only_where_it_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    for works, taken in ((True, MPS), (False, CPU)):
        monkeypatch.setattr(module, "is_able", lambda _, works=works: works)
        assert choose_device("auto") == taken
        assert choose_device("mps") == MPS  # as asked
    assert widest_dtype(MPS) is torch.float32
    assert widest_dtype(CPU) is torch.float64


def test_what_projects_is_found_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    is_able.cache_clear()
    assert is_able(CPU)

    def lacking(*_: object, **__: object) -> None:
        raise NotImplementedError("grid_sampler_3d is not implemented for MPS")

    monkeypatch.setattr(torch.nn.functional, "grid_sample", lacking)
    is_able.cache_clear()
    assert not is_able(CPU)
    is_able.cache_clear()


def test_arrays_go_to_a_gpu_through_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(6.0).reshape(2, 3)
    torch.testing.assert_close(on_device(values, CPU), torch.arange(6.0).view(2, 3))
    seen: list[str] = []

    def pinned(self: torch.Tensor) -> torch.Tensor:
        seen.append("pinned")
        return self

    def to(self: torch.Tensor, device: torch.device, *, non_blocking: bool = False) -> torch.Tensor:
        seen.append(f"{device} {non_blocking}")
        return self

    monkeypatch.setattr(torch.Tensor, "pin_memory", pinned)
    monkeypatch.setattr(torch.Tensor, "to", to)
    on_device(values, torch.device("cuda"))
    assert seen == ["pinned", "cuda True"]
