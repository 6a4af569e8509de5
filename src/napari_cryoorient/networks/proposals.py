"""Viewing directions that a trained network proposes to a search, from its whole distribution."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from napari_cryoorient.alignment.search.proposals import Proposals
from napari_cryoorient.device import in_halves
from napari_cryoorient.errors import InputError
from napari_cryoorient.networks.compact import CompactNetwork
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.networks.prediction import in_network, together_in_network
from napari_cryoorient.particles import Integers, ParticleSet
from napari_cryoorient.stack.batches import ParticleBatches


class NetworkProposer:
    """Implements ``alignment.search.proposals.Proposer`` by a network that gives a distribution.

    ``particles`` are those of the likelihood, brought to ``box``.  Raises InputError for a network
    that gives single poses.
    """

    def __init__(
        self, network: nn.Module, particles: ParticleSet, *, box: int, device: torch.device
    ) -> None:
        if not isinstance(network, CompactNetwork) or network.representation != "distribution":
            raise InputError(
                "This network gives one pose an image and no others: hypotheses come from a "
                "distribution over poses (train with --preset fast --representation distribution)."
            )
        self._network = network.to(device).eval()
        # As few in-plane angles as in training tell views apart as well: all are compared after.
        self._network.n_angles = network.n_training_angles
        self._box, self._device = box, device
        self._batches = ParticleBatches(particles, box, device, cache_bytes=0)
        self._size = together_in_network(box, device)

    def reading(self, particles: ParticleSet) -> NetworkProposer:
        """Return the same proposer with other particles of the same stack to read."""
        other = copy.copy(self)
        other._batches = ParticleBatches(particles, self._box, self._device, cache_bytes=0)
        return other

    @property
    def directions(self) -> Tensor:
        """Return the viewing directions ``(v, 3)`` of the network's grid."""
        return self._network.grid.references[:, 2].cpu()

    @torch.no_grad()
    def propose(self, rows: Integers) -> Proposals:
        """Return how likely the network takes each direction, in logs, and its shifts."""
        images, ctf = self._batches.images(rows), self._batches.ctf(rows)
        weights, shifts = [], []

        def passed_through(these: slice) -> PosePrediction:
            return in_network(self._network, images[these], None if ctf is None else ctf[these])

        for start in range(0, len(rows), self._size):
            these = slice(start, min(start + self._size, len(rows)))
            for part in in_halves(passed_through, these, images.device):
                assert part.shifts_angstrom is not None
                weights.append(part.extra["logits"].float().logsumexp(2).log_softmax(1))
                shifts.append(part.shifts_angstrom.float())
        return Proposals(torch.cat(weights), torch.cat(shifts))
