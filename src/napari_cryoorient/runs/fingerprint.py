"""What tells the files of a run from others of the same names and sizes, when it is resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_cryoorient.particles import ParticleSet
from napari_cryoorient.runs.named_files import files_of
from napari_cryoorient.runs.record import InputsRecord

# Files up to this size are read whole, larger ones in places, and few in each where there are many.
_WHOLE_BYTES = 1 << 22
_BLOCK_BYTES, _MOST_BLOCKS = 1 << 16, 512
_SAID = {
    "names_sha256": "the image names of the STAR file",
    "stack_bytes": "the size of the stacks",
    "stack_sha256": "the images of the stacks",
    "map_sha256": "the map",
}


def fingerprint(
    particles: ParticleSet, star_path: Path, map_path: Path, project_dir: Path | None
) -> dict[str, Any]:
    """Return what ``run.json`` says of the files: sizes, newest time, sums over names and contents.

    The time alone decides nothing: a copy may have another.
    """
    stacks = sorted(set(files_of("particles", star_path, project_dir)) - {star_path})
    stats = [path.stat() for path in stacks]
    names = hashlib.sha256("\n".join(particles.names).encode())
    return {
        "names_sha256": names.hexdigest(),
        "stack_bytes": sum(found.st_size for found in stats),
        "stack_sha256": sum_over(stacks),
        "stack_time_ns": max((found.st_mtime_ns for found in stats), default=0),
        "map_sha256": sum_over([map_path]),
    }


def change(before: InputsRecord, now: dict[str, Any]) -> str | None:
    """Say what differs between a record and a fingerprint; None where both are of the same files.

    What an earlier version has not noted is not compared.
    """
    for key, said in _SAID.items():
        if getattr(before, key) not in (None, now[key]):
            return said
    return None


def sum_over(paths: Sequence[Path]) -> str:
    """Return a sum over the contents of files, over some places in each where they are large."""
    digest = hashlib.sha256()
    n_blocks = max(2, _MOST_BLOCKS // max(1, len(paths)))
    for path in paths:
        size = path.stat().st_size
        with path.open("rb") as file:
            if size <= _WHOLE_BYTES:
                digest.update(file.read())
                continue
            for block in range(n_blocks):
                file.seek(block * (size - _BLOCK_BYTES) // (n_blocks - 1))
                digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()
