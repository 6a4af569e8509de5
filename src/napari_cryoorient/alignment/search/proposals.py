"""What something else than a search proposes: viewing directions, and a shift for each image.

A proposer takes the place of a search's first rung.  All that follows is the same: the views near
the best are compared in a wider band at every in-plane angle, and the best poses are climbed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from napari_cryoorient.particles import Integers, ParticleSet


@dataclass(frozen=True)
class Proposals:
    """What is proposed for ``b`` images: views at ``m`` places where the object may lie.

    ``log_weights`` ``(b, m, v)`` are those of the proposer's viewing directions, all of an image
    taken together; ``shifts_angstrom`` ``(b, m, 2)`` are the places, to within a step of the shifts
    that are tried.
    """

    log_weights: Tensor
    shifts_angstrom: Tensor

    def __getitem__(self, index: Tensor | slice) -> Proposals:
        return Proposals(self.log_weights[index], self.shifts_angstrom[index])


class Proposer(Protocol):
    """Proposes views: ``directions`` ``(v, 3)``, unit vectors of one asymmetric unit at least."""

    @property
    def directions(self) -> Tensor:
        """Return the viewing directions that are weighed."""

    def propose(self, rows: Integers) -> Proposals:
        """Weigh them for particles ``rows`` of the likelihood's stack."""

    def reading(self, particles: ParticleSet) -> Proposer:
        """Return the same proposer with other particles of the same stack to read."""
