"""The comparison of a network's views as a job that can be spread (see ``tasks.spread``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.search.found import FoundPoses, StackPriors
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.networks.proposals import NetworkProposer
from napari_cryoorient.particles import DensityMap, Integers, ParticleSet, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.tasks.pose_jobs import Measured
from napari_cryoorient.tasks.predict_job import packed_network, unpacked_network
from napari_cryoorient.training.checkpoint import network_of_checkpoint


@dataclass(frozen=True)
class ComparedPoses:
    """Poses found of particles ``rows`` ``(k,)``.

    ``n_again`` ``(k,)`` adds up to how many were searched: those of all that were worked on
    together are counted in the first of their rows.
    """

    rows: Integers
    found: FoundPoses
    n_again: Integers

    @property
    def poses(self) -> Poses:
        """The best pose of each."""
        return self.found.poses

    @staticmethod
    def joined(parts: list[ComparedPoses]) -> ComparedPoses:
        """Join ranges, in order."""
        found = FoundPoses.joined([part.found for part in parts])
        rows = np.concatenate([part.rows for part in parts])
        return ComparedPoses(rows, found, np.concatenate([part.n_again for part in parts]))


@dataclass(frozen=True)
class ComparisonSetup:
    """All that a comparison needs beside its particles.

    ``weights`` are a network as torch saves it, ``box`` that of its images; ``group`` is
    ``(g, 3, 3)``.
    """

    measured: Measured
    learned: StackPriors
    weights: NDArray[np.uint8]
    box: int
    group: Tensor
    n_hypotheses: int
    searches: bool
    chunk: int
    thorough_chunk: int

    def engine(self, particles: ParticleSet, device: torch.device) -> GlobalSearch:
        """Make a comparison ready on a device."""
        network = unpacked_network(self.weights, device)
        return GlobalSearch(
            self.measured.likelihood(particles, device),
            self.group,
            proposer=NetworkProposer(network, particles, box=self.box, device=device),
            n_proposed=self.n_hypotheses,
            searches=self.searches,
            learned=self.learned,
            chunks=(self.chunk, self.thorough_chunk),
        )

    def work(
        self,
        engine: GlobalSearch,
        particles: ParticleSet,
        starts: Poses | None,  # noqa: ARG002
    ) -> ComparedPoses:
        """Compare particles."""
        rows = np.arange(len(particles), dtype=np.int64)
        return compared(engine.reading(particles), rows, SILENT)

    def joined(self, parts: list[ComparedPoses]) -> ComparedPoses:
        """Join ranges, in order."""
        return ComparedPoses.joined(parts)


@dataclass(frozen=True)
class ComparisonJob:
    """A comparison of particles ``rows`` of a likelihood, which was made with ``density``.

    ``state`` is the checkpoint of the network that proposes views.
    """

    likelihood: ParticleLikelihood
    density: DensityMap
    state: dict[str, Any]
    group: Tensor
    rows: Integers
    n_hypotheses: int
    searches: bool
    search: GlobalSearch
    starts: None = None
    setup: ClassVar = ComparisonSetup
    result: ClassVar = ComparedPoses

    @staticmethod
    def of(
        likelihood: ParticleLikelihood,
        density: DensityMap,
        state: dict[str, Any],
        group: Tensor,
        rows: Integers,
        *,
        n_hypotheses: int,
        searches: bool,
    ) -> ComparisonJob:
        """Make the job; raises InputError for a network that gives single poses."""
        device, particles = likelihood.device, likelihood.particles
        proposer = NetworkProposer(
            network_of_checkpoint(state, device), particles, box=int(state["box"]), device=device
        )
        search = GlobalSearch(
            likelihood, group, proposer=proposer, n_proposed=n_hypotheses, searches=searches
        )
        return ComparisonJob(
            likelihood, density, state, group, rows, n_hypotheses, searches, search
        )

    @property
    def particles(self) -> ParticleSet:
        """The stack."""
        return self.likelihood.particles

    def at_once(self, reporter: Reporter) -> ComparedPoses:
        """Compare them all here; raises Stopped."""
        return compared(self.search, self.rows, reporter)

    def learn(self, reporter: Reporter) -> ComparisonSetup:
        """Learn where particles lie in their images; raises Stopped."""
        learned = self.search.learned(self.rows, reporter)
        if reporter.should_stop():
            raise Stopped
        return ComparisonSetup(
            Measured.of(self.likelihood, self.density),
            learned,
            packed_network(self.state),
            int(self.state["box"]),
            self.group,
            self.n_hypotheses,
            self.searches,
            *self.search.chunks,
        )


def compared(
    search: GlobalSearch,
    rows: Integers,
    reporter: Reporter,
) -> ComparedPoses:
    """Search particles ``rows``; raises Stopped."""
    before = search.n_searched
    parts = list(search.search(rows, reporter))
    if sum(len(part.rows) for part in parts) < len(rows):
        raise Stopped
    n_again = np.zeros(len(rows), dtype=np.int64)
    n_again[:1] = search.n_searched - before
    return ComparedPoses(rows, FoundPoses.joined(parts), n_again)
