from __future__ import annotations

import copy
import time

import pytest
import torch

from napari_cryoorient.training import precision
from napari_cryoorient.training.precision import autocast, choose_precision
from support.tiny_network import TinyNetwork


@pytest.fixture
def network() -> TinyNetwork:
    return TinyNetwork(16, "quaternion")


IMAGES = torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [((1.0, 0.5), "bfloat16"), ((1.0, 0.95), "float32"), ((1.0, 2.0), "float32")],
    ids=["twice as fast", "hardly faster", "slower"],
)
def test_bfloat16_has_to_win_clearly(network, monkeypatch, seconds, chosen):
    timed = dict(zip(("float32", "bfloat16"), seconds, strict=True))
    monkeypatch.setattr(precision, "_seconds_a_pass", lambda n, i, c, p: timed[p])
    name, why = choose_precision("auto", network, IMAGES, None)
    assert name == chosen
    assert why.startswith(chosen)
    assert "1000 ms" in why


def test_probe_leaves_network_and_generators_alone(network):
    before = copy.deepcopy(network.state_dict())
    generator = torch.get_rng_state()
    start = time.perf_counter()
    choose_precision("auto", network, IMAGES, None)
    assert time.perf_counter() - start < 20
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(p.grad is None for p in network.parameters())
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])


def test_device_without_bfloat16_trains_in_float32(network, monkeypatch):
    def no_autocast(*args: object) -> float:
        raise RuntimeError("autocast is not available on this device\nmore")

    monkeypatch.setattr(precision, "_seconds_a_pass", no_autocast)
    name, why = choose_precision("auto", network, IMAGES, None)
    assert name == "float32"
    assert "autocast is not available on this device)" in why


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_asked_for_precision_is_taken(network, asked):
    assert choose_precision(asked, network, IMAGES, None)[0] == asked
    assert choose_precision(asked, network, IMAGES, None, allows_bfloat16=False)[0] == "float32"


def test_autocast_reaches_the_network(network):
    linear = torch.nn.Linear(4, 4)
    with autocast(torch.device("cpu"), "bfloat16"):
        assert linear(torch.ones(1, 4)).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), "float32"):
        assert linear(torch.ones(1, 4)).dtype == torch.float32
