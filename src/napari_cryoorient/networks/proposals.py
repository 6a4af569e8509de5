"""Viewing directions that a trained network proposes to a search, from its whole distribution."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from napari_cryoorient.alignment.search.proposals import Proposals
from napari_cryoorient.device import in_halves, multiplies_bfloat16
from napari_cryoorient.errors import InputError
from napari_cryoorient.networks.compact import CompactNetwork
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.networks.prediction import together_in_network
from napari_cryoorient.particles import Integers, ParticleSet
from napari_cryoorient.stack.batches import ParticleBatches

# A network that finds centres looks again from so many places of an object, and proposes so many,
# so far apart; each place has this part of the views that were found elsewhere.
N_LOOKS, N_PLACES, PLACES_APART_ANGSTROM = 2, 4, 6.0
SPREAD = 0.02


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
        # What is proposed is compared in full precision after.
        self._is_rough = multiplies_bfloat16(device)
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
        """Return how likely the network takes each direction, in logs, at each of its places."""
        images, ctf = self._batches.images(rows), self._batches.ctf(rows)

        def looked(these: slice) -> Proposals:
            return self._looked(images[these], None if ctf is None else ctf[these])

        parts: list[Proposals] = []
        for start in range(0, len(rows), self._size):
            these = slice(start, min(start + self._size, len(rows)))
            parts += in_halves(looked, these, images.device)
        return Proposals(
            torch.cat([part.log_weights for part in parts]),
            torch.cat([part.shifts_angstrom for part in parts]),
        )

    def _looked(self, images: Tensor, ctf: Tensor | None) -> Proposals:
        """Return what is proposed of images that the network takes together.

        A network that finds centres looks again from the most probable places of its first look.
        """
        if not self._network.finds_centre:
            with self._rough(images):
                whole: PosePrediction = self._network(images, ctf)
            assert whole.shifts_angstrom is not None
            of_views = whole.extra["logits"].float().logsumexp(2).log_softmax(1)
            return Proposals(of_views[:, None], whole.shifts_angstrom.float()[:, None])
        starts, masses = probable_places(*self._cells(images, ctf)[1:3], N_LOOKS)
        cells: list[tuple[Tensor, Tensor, Tensor]] = []
        totals: list[Tensor] = []
        for start, mass in zip(starts.unbind(1), masses.log_softmax(1).unbind(1), strict=True):
            views, weights, shifts, of_view = self._cells(images, ctf, start)
            cells.append((views, weights + mass[:, None], shifts))
            totals.append(of_view + mass[:, None])
        views, weights, shifts = (torch.cat(part, dim=1) for part in zip(*cells, strict=True))
        places = probable_places(weights, shifts, N_PLACES)[0]
        # Each place has the views of the cells beside it, and a little of all others.
        near = (shifts[:, None] - places[:, :, None]).norm(dim=3) < PLACES_APART_ANGSTROM
        by_place = SPREAD * torch.stack(totals).logsumexp(0).exp() / N_PLACES
        by_place = by_place[:, None].repeat(1, N_PLACES, 1)
        by_place.scatter_add_(
            2, views[:, None].expand(-1, N_PLACES, -1), near * weights.exp()[:, None]
        )
        log_weights = by_place.clamp_min(1e-30).log()
        log_weights = log_weights - log_weights.flatten(1).logsumexp(1)[:, None, None]
        return Proposals(log_weights, places)

    def _cells(
        self, images: Tensor, ctf: Tensor | None, centres_angstrom: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return views, log probabilities and shifts of the most probable cells ``(b, t)``.

        Fourth, the log probability of each view ``(b, v)``.
        """
        with self._rough(images):
            logits, cells, shifts = self._network.best_cells(images, ctf, centres_angstrom)
        logits = logits.float()
        of_view = logits.logsumexp(2)
        total = of_view.logsumexp(1, keepdim=True)
        weights = logits.flatten(1).gather(1, cells) - total
        return cells // logits.shape[2], weights, shifts.float(), of_view - total

    def _rough(self, images: Tensor) -> torch.autocast:
        return torch.autocast(images.device.type, torch.bfloat16, enabled=self._is_rough)


def probable_places(weights: Tensor, shifts: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the ``n`` most probable places ``(b, n, 2)`` of cells ``(b, t)``, and logs ``(b, n)``.

    Each is the mean over the cells near the best one that is left, which it takes with it.
    """
    every = torch.arange(len(weights), device=weights.device)
    left, places, masses = weights, [], []
    for _ in range(n):
        best = shifts[every, left.argmax(1)]
        near = (shifts - best[:, None]).norm(dim=2) < PLACES_APART_ANGSTROM
        share = left.masked_fill(~near, -1e9)
        places.append((share.softmax(1)[..., None] * shifts).sum(1))
        masses.append(share.logsumexp(1))
        left = left.masked_fill(near, -1e9)
    return torch.stack(places, dim=1), torch.stack(masses, dim=1)
