"""What a worker does: a task, such as one range of rows with the arrays of its particles."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

from napari_cryoorient.budget import Budget, held_to
from napari_cryoorient.io.array_records import read_record, write_record
from napari_cryoorient.memory import budget_of
from napari_cryoorient.particles import Integers, ParticleSet, Poses
from napari_cryoorient.tasks.spread import RangeWorker


class Task(Protocol):
    """Something that one worker does by itself and leaves in files: a dataclass."""

    @property
    def name(self) -> str:
        """Tells it from all others."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the tasks that have to be done before."""

    @property
    def device(self) -> str:
        """Where to compute."""

    def do(self) -> int:
        """Do it, unless it is done; return how many rows are done with it."""


@dataclass(frozen=True, eq=False)
class Shard:
    """One range of a job: where its result goes, and all that is needed to make it.

    ``rows`` are the particles' rows in the stack; ``setup_path`` and ``setup`` are the file and
    the kind of what the job learned, ``digest`` tells that file from others of the name.
    ``budget`` is the memory that the process may take, by default a part of what is free there.
    """

    path: Path
    rows: Integers
    particles: ParticleSet
    starts: Poses | None
    setup_path: Path
    setup: type[Any]
    digest: str
    device: str
    budget: Budget | None = None
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Tells this range from all others."""
        return str(self.path)

    def do(self) -> int:
        """Make the result of the range, unless it is there; return how many rows it holds."""
        if not self.path.exists():
            kind = cast(Hashable, self.setup)
            with held_to(self.budget or budget_of(None)):
                work = _ready(self.setup_path, kind, self.digest, self.device)
                found = work(self.particles, self.starts)
            write_record(replace(found, rows=self.rows), self.path)
        return len(self.rows)


@functools.lru_cache(maxsize=1)
def _ready(path: Path, kind: Hashable, digest: str, device: str) -> RangeWorker[Any]:  # noqa: ARG001
    """Make ready what works on ranges, once in a process for all ranges of one job."""
    return RangeWorker(read_record(cast(type[Any], kind), path), device)


def digest_of_file(path: Path) -> str:
    """Return the sum over a file's contents."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
