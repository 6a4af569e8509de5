"""Searches and refinements as jobs that can be spread (see ``tasks.spread``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.refine.local import LocalRefinement, RefinedPoses
from napari_cryoorient.alignment.search.found import FoundPoses, StackPriors
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.io.array_records import joined_records
from napari_cryoorient.particles import DensityMap, Images, Integers, ParticleSet, Poses
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.stack.statistics import StackStatistics

Found = TypeVar("Found", FoundPoses, RefinedPoses)


@dataclass(frozen=True)
class Measured:
    """A map, ``voxels`` ``(n, n, n)``, and what its comparison with a whole stack gave."""

    voxels: Images
    pixel_size_angstrom: float
    statistics: StackStatistics
    radius: float

    @staticmethod
    def of(likelihood: ParticleLikelihood, density: DensityMap) -> Measured:
        """Return what a likelihood was made from."""
        return Measured(
            density.voxels, density.pixel_size_angstrom, likelihood.statistics, likelihood.radius
        )

    def likelihood(self, particles: ParticleSet, device: torch.device) -> ParticleLikelihood:
        """Return the same likelihood, to read ``particles`` of the stack."""
        return ParticleLikelihood(
            DensityMap(self.voxels, self.pixel_size_angstrom),
            particles,
            device,
            radius=self.radius,
            statistics=self.statistics,
        )


@dataclass(frozen=True)
class SearchSetup:
    """All that a search needs beside its particles; ``group`` is ``(g, 3, 3)``."""

    measured: Measured
    learned: StackPriors
    group: Tensor
    shift_reach_angstrom: float
    chunk: int
    thorough_chunk: int

    def engine(self, particles: ParticleSet, device: torch.device) -> GlobalSearch:
        """Make a search ready on a device."""
        return GlobalSearch(
            self.measured.likelihood(particles, device),
            self.group,
            shift_reach_angstrom=self.shift_reach_angstrom,
            learned=self.learned,
            chunks=(self.chunk, self.thorough_chunk),
        )

    def work(
        self,
        engine: GlobalSearch,
        particles: ParticleSet,
        starts: Poses | None,  # noqa: ARG002
    ) -> FoundPoses:
        """Search particles."""
        rows = np.arange(len(particles), dtype=np.int64)
        return self.joined(list(engine.reading(particles).search(rows)))

    def joined(self, parts: list[FoundPoses]) -> FoundPoses:
        """Join ranges, in order."""
        return FoundPoses.joined(parts)


@dataclass(frozen=True)
class SearchJob:
    """A search of particles ``rows`` of its likelihood, which was made with ``density``."""

    search: GlobalSearch
    density: DensityMap
    rows: Integers
    starts: None = None
    setup: ClassVar = SearchSetup
    result: ClassVar = FoundPoses

    @property
    def particles(self) -> ParticleSet:
        """The stack."""
        return self.search.likelihood.particles

    def at_once(self, reporter: Reporter) -> FoundPoses:
        """Search them all here; raises Stopped."""
        return _whole(self.search.search(self.rows, reporter), len(self.rows))

    def learn(self, reporter: Reporter) -> SearchSetup:
        """Learn where particles lie in their images; raises Stopped."""
        learned = self.search.learned(self.rows, reporter)
        if reporter.should_stop():
            raise Stopped
        return SearchSetup(
            Measured.of(self.search.likelihood, self.density),
            learned,
            self.search.group,
            self.search.shift_reach_angstrom,
            *self.search.chunks,
        )


@dataclass(frozen=True)
class RefinementSetup:
    """All that a refinement needs beside its particles and their poses."""

    measured: Measured
    group: Tensor
    restarts: bool
    chunk: int
    amplitudes: tuple[float, float]

    def engine(self, particles: ParticleSet, device: torch.device) -> LocalRefinement:
        """Make a refinement ready on a device."""
        likelihood = self.measured.likelihood(particles, device)
        return LocalRefinement(likelihood, self.group, chunk=self.chunk, learned=self.amplitudes)

    def work(
        self, engine: LocalRefinement, particles: ParticleSet, starts: Poses | None
    ) -> RefinedPoses:
        """Refine particles from ``starts``."""
        assert starts is not None
        rows = np.arange(len(particles), dtype=np.int64)
        reading = engine.reading(particles)
        return self.joined(list(reading.refine(rows, starts, restarts=self.restarts)))

    def joined(self, parts: list[RefinedPoses]) -> RefinedPoses:
        """Join ranges, in order."""
        return RefinedPoses.joined(parts)


@dataclass(frozen=True)
class RefineJob:
    """A refinement of particles ``rows`` of its likelihood from ``starts``, one a row."""

    refinement: LocalRefinement
    density: DensityMap
    rows: Integers
    starts: Poses
    restarts: bool = True
    setup: ClassVar = RefinementSetup
    result: ClassVar = RefinedPoses

    @property
    def particles(self) -> ParticleSet:
        """The stack."""
        return self.refinement.likelihood.particles

    def at_once(self, reporter: Reporter) -> RefinedPoses:
        """Refine them all here; raises Stopped."""
        parts = self.refinement.refine(
            self.rows, self.starts, restarts=self.restarts, reporter=reporter
        )
        return _whole(parts, len(self.rows))

    def learn(self, reporter: Reporter) -> RefinementSetup:
        """Return how strong the particles are, and what the likelihood was made from."""
        if reporter.should_stop():
            raise Stopped
        likelihood = self.refinement.likelihood
        chunk = self.refinement.chunk_size(len(self.rows))
        measured = Measured.of(likelihood, self.density)
        group, amplitudes = self.refinement.group, self.refinement.amplitudes
        return RefinementSetup(measured, group, self.restarts, chunk, amplitudes)


def _whole(parts: Iterator[Found], n: int) -> Found:
    """Join chunks of ``n`` rows as they come; raises Stopped where they end early."""
    for first in parts:
        whole: Found = joined_records(chain([first], parts), n)
        if len(whole.rows) == n:
            return whole
    raise Stopped
