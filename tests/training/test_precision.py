from __future__ import annotations

import pytest
import torch

from napari_cryoorient import device
from napari_cryoorient.training.precision import autocast, choose_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("has_units", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_the_device_decides_and_nothing_is_timed(monkeypatch, has_units, chosen):
    for name in device._CPU_UNITS:
        monkeypatch.setattr(torch.cpu, name, lambda: has_units, raising=False)
    assert {choose_precision("auto", CPU) for _ in range(3)} == {choose_precision("auto", CPU)}
    name, why = choose_precision("auto", CPU)
    assert name == chosen
    assert why.startswith(chosen)


def test_a_release_of_torch_that_cannot_tell_trains_in_float32(monkeypatch):
    for name in device._CPU_UNITS:
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert choose_precision("auto", CPU)[0] == "float32"


@pytest.mark.parametrize(
    ("capability", "chosen"), [((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")]
)
def test_gpus_with_tensor_cores_for_bfloat16_use_them(monkeypatch, capability, chosen):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_precision("auto", torch.device("cuda"))[0] == chosen


def test_other_devices_train_in_float32():
    assert choose_precision("auto", torch.device("mps"))[0] == "float32"


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_asked_for_precision_is_taken(asked):
    assert choose_precision(asked, CPU)[0] == asked
    assert choose_precision(asked, CPU, allows_bfloat16=False)[0] == "float32"


def test_autocast_reaches_the_network():
    linear = torch.nn.Linear(4, 4)
    with autocast(torch.device("cpu"), "bfloat16"):
        assert linear(torch.ones(1, 4)).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), "float32"):
        assert linear(torch.ones(1, 4)).dtype == torch.float32
