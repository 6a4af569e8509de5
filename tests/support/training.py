"""A tiny network in the place of the paper's, its settings, and maps without symmetry."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.networks import build
from support.tiny_network import TinyNetwork


def lopsided_blobs(box: int, spread: float, generator: torch.Generator) -> torch.Tensor:
    """Five Gaussian blobs whose centres are drawn with a standard deviation of ``spread``."""
    axis = torch.arange(box) - box // 2
    zyx = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).float()
    volume = torch.zeros(box, box, box)
    for weight in (1.0, 0.8, 0.6, 0.5, 0.4):
        centre = torch.randn(3, generator=generator) * spread
        volume += weight * torch.exp(-((zyx - centre) ** 2).sum(-1) / 4.0)
    return volume


@pytest.fixture
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a network of a few hundred weights in the place of the paper's."""
    monkeypatch.setattr("napari_cryoorient.training.paper.PaperNetwork", TinyNetwork)
    monkeypatch.setitem(build._KINDS, "tiny", (TinyNetwork.__module__, TinyNetwork.__qualname__))


def paper_config_of(box: int) -> Callable[..., TrainConfig]:
    """Return what makes settings of the paper's preset for tiny images."""

    def make(**changes: object) -> TrainConfig:
        values = {
            "preset": "paper",
            "box": box,
            "steps": 6,
            "batch_size": 4,
            "weights": "none",
            "device": "cpu",
            "precision": "float32",
        }
        return TrainConfig(**(values | changes))

    return make
