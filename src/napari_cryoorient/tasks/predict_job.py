"""A prediction as a job that can be spread (see ``tasks.spread``)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_cryoorient.networks.prediction import (
    PredictedPoses,
    chunk_size,
    collect,
    joined,
    predict,
)
from napari_cryoorient.particles import Integers, ParticleSet, Poses
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.training.checkpoint import network_of_checkpoint

# What of a checkpoint a network is built from.
_NEEDED = ("description", "network", "evaluation_network")


@dataclass(frozen=True)
class LoadedNetwork:
    """A network, and the device that it is on."""

    network: nn.Module
    device: torch.device


@dataclass(frozen=True)
class PredictionSetup:
    """A trained network, ``weights`` as torch saves them, and the box of its images."""

    weights: NDArray[np.uint8]
    box: int
    chunk: int

    def engine(self, particles: ParticleSet, device: torch.device) -> LoadedNetwork:  # noqa: ARG002
        """Load the network onto a device."""
        return LoadedNetwork(unpacked_network(self.weights, device), device)

    def work(
        self,
        engine: LoadedNetwork,
        particles: ParticleSet,
        starts: Poses | None,  # noqa: ARG002
    ) -> PredictedPoses:
        """Predict particles."""
        found = predict(
            engine.network, particles, box=self.box, device=engine.device, batch_size=self.chunk
        )
        return joined(list(found))

    def joined(self, parts: list[PredictedPoses]) -> PredictedPoses:
        """Join ranges, in order."""
        whole = collect(parts)
        assert whole is not None
        return whole


@dataclass(frozen=True)
class PredictJob:
    """A prediction of a whole stack with the network of a checkpoint, ``state``."""

    state: dict[str, Any]
    network: nn.Module
    particles: ParticleSet
    device: torch.device
    batch_size: int | None = None
    starts: None = None
    setup: ClassVar = PredictionSetup
    result: ClassVar = PredictedPoses

    @property
    def rows(self) -> Integers:
        """All particles."""
        return np.arange(len(self.particles), dtype=np.int64)

    @property
    def box(self) -> int:
        """Box of the images that the network takes."""
        return int(self.state["box"])

    def at_once(self, reporter: Reporter) -> PredictedPoses:
        """Predict them all here; raises Stopped."""
        predicted = collect(
            predict(
                self.network,
                self.particles,
                box=self.box,
                device=self.device,
                batch_size=self.batch_size,
                reporter=reporter,
            )
        )
        if predicted is None or len(predicted.rows) < len(self.particles):
            raise Stopped
        return predicted

    def learn(self, reporter: Reporter) -> PredictionSetup:  # noqa: ARG002
        """Return the network."""
        size = chunk_size(self.particles, self.box, self.device, self.batch_size)
        return PredictionSetup(packed_network(self.state), self.box, size)


def packed_network(state: dict[str, Any]) -> NDArray[np.uint8]:
    """Return what of a checkpoint its network is built from, as torch saves it."""
    buffer = io.BytesIO()
    torch.save({name: state[name] for name in _NEEDED}, buffer)
    return np.frombuffer(buffer.getvalue(), dtype=np.uint8)


def unpacked_network(weights: NDArray[np.uint8], device: torch.device) -> nn.Module:
    """Return the network that was packed."""
    state = torch.load(io.BytesIO(weights.tobytes()), map_location="cpu", weights_only=True)
    return network_of_checkpoint(state, device)
