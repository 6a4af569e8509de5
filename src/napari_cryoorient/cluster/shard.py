"""What a worker does: one range of rows, from the folder's files and its particles' arrays."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from napari_cryoorient.budget import Budget, held_to
from napari_cryoorient.io.array_records import read_record, write_record
from napari_cryoorient.memory import budget_of
from napari_cryoorient.particles import Integers, ParticleSet, Poses


@dataclass(frozen=True, eq=False)
class Shard:
    """One range of a job: where its result goes, and all that is needed to make it.

    ``rows`` are the particles' rows in the stack; ``learnt_path`` and ``learnt`` are the file and
    the kind of what the job learned, ``digest`` tells that file from others of the name.
    ``budget`` is the memory that the process may take, by default a part of what is free there.
    """

    path: Path
    rows: Integers
    particles: ParticleSet
    starts: Poses | None
    learnt_path: Path
    learnt: type[Any]
    digest: str
    device: str
    budget: Budget | None = None


def do_shard(shard: Shard) -> int:
    """Make the result of a range, unless it is there; return how many rows it holds."""
    if not shard.path.exists():
        kind = cast(Hashable, shard.learnt)
        with held_to(shard.budget or budget_of(None)):
            worker = _ready(shard.learnt_path, kind, shard.digest, shard.device)
            found = worker(shard.particles, shard.starts)
        write_record(replace(found, rows=shard.rows), shard.path)
    return len(shard.rows)


@functools.lru_cache(maxsize=1)
def _ready(path: Path, kind: Hashable, digest: str, device: str) -> Any:  # noqa: ARG001
    """Make ready what works on ranges, once in a process for all ranges of one job."""
    return read_record(cast(type[Any], kind), path).worker(device)


def digest_of_file(path: Path) -> str:
    """Return the sum over a file's contents."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
