"""Searches and refinements as jobs that can be spread (see ``tasks.spread``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from napari_cryoorient.device import choose_device
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

    def worker(self, device_name: str) -> Callable[[ParticleSet, Poses | None], FoundPoses]:
        """Make a search ready on a device."""
        device = choose_device(device_name)
        ready: list[GlobalSearch] = []

        def search(particles: ParticleSet, starts: Poses | None) -> FoundPoses:  # noqa: ARG001
            if not ready:
                likelihood = self.measured.likelihood(particles, device)
                reach = self.shift_reach_angstrom
                ready.append(
                    GlobalSearch(
                        likelihood,
                        self.group,
                        shift_reach_angstrom=reach,
                        learned=self.learned,
                        chunks=(self.chunk, self.thorough_chunk),
                    )
                )
            rows = np.arange(len(particles), dtype=np.int64)
            return self.joined(list(ready[0].reading(particles).search(rows)))

        return search

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

    def worker(self, device_name: str) -> Callable[[ParticleSet, Poses | None], RefinedPoses]:
        """Make a refinement ready on a device."""
        device = choose_device(device_name)
        ready: list[LocalRefinement] = []

        def refine(particles: ParticleSet, starts: Poses | None) -> RefinedPoses:
            assert starts is not None
            if not ready:
                likelihood = self.measured.likelihood(particles, device)
                ready.append(LocalRefinement(likelihood, self.group, chunk=self.chunk))
            rows = np.arange(len(particles), dtype=np.int64)
            reading = ready[0].reading(particles)
            return self.joined(list(reading.refine(rows, starts, restarts=self.restarts)))

        return refine

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

    def learn(self, reporter: Reporter) -> RefinementSetup:  # noqa: ARG002
        """Return what the likelihood was made from."""
        likelihood = self.refinement.likelihood
        chunk = self.refinement.chunk_size(len(self.rows))
        measured = Measured.of(likelihood, self.density)
        return RefinementSetup(measured, self.refinement.group, self.restarts, chunk)


def _whole(parts: Iterator[Found], n: int) -> Found:
    """Join chunks of ``n`` rows as they come; raises Stopped where they end early."""
    for first in parts:
        whole: Found = joined_records(chain([first], parts), n)
        if len(whole.rows) == n:
            return whole
    raise Stopped
