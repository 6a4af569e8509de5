"""Work on every particle of a stack, at once or in ranges of rows that others may take.

What depends on the whole stack is learned first (``Job.learn``) and is all that a worker needs
beside its own particles; what needs all results comes after they are joined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import torch

from napari_cryoorient.device import choose_device
from napari_cryoorient.maps.stored_sums import Sums
from napari_cryoorient.particles import Integers, ParticleSet, Poses
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.tasks.back_projection_job import BackProjectionJob

Result = TypeVar("Result")
Kept = TypeVar("Kept")


class Job(Protocol[Result]):
    """Work on particles ``rows`` of a stack, which may begin at poses ``starts``, one a row.

    ``setup`` is the class of what it learns.
    """

    @property
    def particles(self) -> ParticleSet:
        """The stack."""

    @property
    def rows(self) -> Integers:
        """The particles to work on."""

    @property
    def starts(self) -> Poses | None:
        """Where to begin, if that matters."""

    @property
    def setup(self) -> type[Setup[Result]]:
        """What ``learn`` returns."""

    @property
    def result(self) -> type[Result]:
        """What the work returns."""

    def at_once(self, reporter: Reporter) -> Result:
        """Do it all here; raises Stopped when asked to stop."""

    def learn(self, reporter: Reporter) -> Setup[Result]:
        """Return what the whole stack tells."""


class Setup(Protocol[Result]):
    """What a worker needs beside its particles: a dataclass of arrays and plain values."""

    @property
    def chunk(self) -> int:
        """Ranges are a multiple of this, so that each particle meets the same others at work."""

    def engine(self, particles: ParticleSet, device: torch.device) -> Any:
        """Return what works on a device, made for the first particles that are worked on."""

    def work(self, engine: Any, particles: ParticleSet, starts: Poses | None) -> Result:
        """Return what the engine finds; its ``rows`` count from the first of ``particles``."""

    def joined(self, parts: list[Result]) -> Result:
        """Join the results of ranges, in order."""


class RangeWorker(Generic[Result]):
    """Works on one range of a stack after the other with what was made ready for the first."""

    def __init__(self, setup: Setup[Result], device_name: str) -> None:
        self._setup = setup
        self._device = choose_device(device_name)
        self._engine: Any = None

    def __call__(self, particles: ParticleSet, starts: Poses | None) -> Result:
        """Return what is found of ``particles``, which may begin at ``starts``, one a particle."""
        if self._engine is None:
            self._engine = self._setup.engine(particles, self._device)
        return self._setup.work(self._engine, particles, starts)


class Spread(Protocol):
    """How work is spread; ``name`` tells the jobs of one command apart."""

    def kept(self, name: str, kind: type[Kept], make: Callable[[], Kept]) -> Kept:
        """Return what ``make`` makes of the whole stack, which is made once."""

    def do(self, name: str, job: Job[Result], reporter: Reporter) -> Result:
        """Return the result of a job; raises Stopped when asked to stop."""

    def add_up(self, name: str, job: BackProjectionJob, reporter: Reporter) -> tuple[Sums, ...]:
        """Return what the slices of each set add up to; raises Stopped when asked to stop."""


class AtOnce:
    """No spreading: all of it in this process, and nothing kept."""

    def kept(self, name: str, kind: type[Kept], make: Callable[[], Kept]) -> Kept:  # noqa: ARG002
        """Make it."""
        return make()

    def do(self, name: str, job: Job[Result], reporter: Reporter) -> Result:  # noqa: ARG002
        """Do it."""
        return job.at_once(reporter)

    def add_up(
        self,
        name: str,  # noqa: ARG002
        job: BackProjectionJob,
        reporter: Reporter,
    ) -> tuple[Sums, ...]:
        """Enter them."""
        return job.at_once(reporter)


AT_ONCE = AtOnce()
