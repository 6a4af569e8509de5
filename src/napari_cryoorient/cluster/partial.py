"""The poses that are there in a folder of parts while the rest is under way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cryoorient.alignment.refine.local import RefinedPoses
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.cluster.parts import FILES, ROWS, ranges_there, read_json
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.array_records import read_record
from napari_cryoorient.networks.prediction import PredictedPoses
from napari_cryoorient.particles import Integers, Poses
from napari_cryoorient.tasks.back_projection_job import SUMS
from napari_cryoorient.tasks.hypotheses_job import ComparedPoses

_Found = FoundPoses | RefinedPoses | PredictedPoses | ComparedPoses
# Of a command with several stages the last one that has begun tells the best poses.
_STAGES: tuple[tuple[str, type[_Found]], ...] = (
    ("search", FoundPoses),
    ("hypotheses", ComparedPoses),
    ("refine", RefinedPoses),
    ("predict", PredictedPoses),
)


@dataclass(frozen=True)
class PartialPoses:
    """Poses of particles ``rows`` ``(k,)`` of a STAR file, and the map they were found with."""

    particles_path: Path
    map_path: Path | None
    project_dir: Path | None
    rows: Integers
    poses: Poses


def partial_poses(folder: Path) -> PartialPoses:
    """Read the poses that are there; raises InputError where there are none yet."""
    files = read_json(folder / FILES)
    if files is None:
        raise InputError(f"{folder} is no folder of parts.")
    for name, kind in _STAGES:
        there = ranges_there(folder / name) if (folder / name).is_dir() else []
        if not there:
            continue
        of_rows = np.load(folder / name / ROWS, allow_pickle=False)
        rows = np.concatenate([of_rows[part.slice] for part, _ in there])
        return PartialPoses(
            Path(files["particles"]),
            Path(files["map"]) if files.get("map") else None,
            Path(files["project_dir"]) if files.get("project_dir") else None,
            rows,
            _joined([_poses(read_record(kind, path)) for _, path in there]),
        )
    if any(folder.glob(f"{SUMS}*")):
        raise InputError(f"These are parts of a map, to be seen once it is whole ({folder}).")
    raise InputError(f"No part is finished yet: open the folder again in a while ({folder}).")


def _poses(found: _Found) -> Poses:
    return found.poses(None) if isinstance(found, PredictedPoses) else found.poses


def _joined(parts: list[Poses]) -> Poses:
    return Poses(
        np.concatenate([part.rotations for part in parts]),
        np.concatenate([part.shifts_angstrom for part in parts]),
    )
