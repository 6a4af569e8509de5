"""Work on every particle of a stack, at once or in ranges of rows that others may take.

What depends on the whole stack is learned first (``Job.learn``) and is all that a worker needs
beside its own particles; what needs all results comes after they are joined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from napari_cryoorient.particles import Integers, ParticleSet, Poses
from napari_cryoorient.stack.chunks import Advance, ShouldStop

Result = TypeVar("Result")
Kept = TypeVar("Kept")


class Worker(Protocol[Result]):
    """Works on particles of the stack it was made ready for."""

    def __call__(self, particles: ParticleSet, starts: Poses | None) -> Result:
        """Return what was found; its ``rows`` count from the first of ``particles``."""


class Job(Protocol[Result]):
    """Work on particles ``rows`` of a stack, which may begin at poses ``starts``, one a row."""

    particles: ParticleSet
    rows: Integers
    starts: Poses | None

    def at_once(self, progress: Advance | None, should_stop: ShouldStop | None) -> Result:
        """Do it all here; raises Stopped when asked to stop."""

    def learn(self, should_stop: ShouldStop | None) -> Learnt[Result]:
        """Return what the whole stack tells."""


class Learnt(Protocol[Result]):
    """What a worker needs beside its particles: a dataclass of arrays and plain values."""

    @property
    def chunk(self) -> int:
        """Ranges are a multiple of this, so that each particle meets the same others at work."""

    def worker(self, device_name: str) -> Worker[Result]:
        """Make a worker ready on a device."""

    def joined(self, parts: list[Result]) -> Result:
        """Join the results of ranges, in order."""


class Spread(Protocol):
    """How work is spread; ``name`` tells the jobs of one command apart."""

    def kept(self, name: str, kind: type[Kept], make: Callable[[], Kept]) -> Kept:
        """Return what ``make`` makes of the whole stack, which is made once."""

    def do(
        self,
        name: str,
        job: Job[Result],
        *,
        progress: Advance | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Result:
        """Return the result of a job; raises Stopped when asked to stop."""


class AtOnce:
    """No spreading: all of it in this process, and nothing kept."""

    def kept(self, name: str, kind: type[Kept], make: Callable[[], Kept]) -> Kept:  # noqa: ARG002
        """Make it."""
        return make()

    def do(
        self,
        name: str,  # noqa: ARG002
        job: Job[Result],
        *,
        progress: Advance | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Result:
        """Do it."""
        return job.at_once(progress, should_stop)


AT_ONCE = AtOnce()
