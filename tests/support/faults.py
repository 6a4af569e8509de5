"""Commands as one line, and how far the poses they write are from the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_cryoorient.cli import main
from napari_cryoorient.io.pose_table import match_rows, read_pose_table


def run(line: str) -> int:
    return main(line.split())


def median_error_deg(star: str, truth: str = "truth.star", but: int | None = None) -> float:
    """Median error of the poses of a file against another's, row ``but`` left out."""
    found, true = read_pose_table(Path(star)), read_pose_table(Path(truth))
    rows, true_rows = match_rows(found.names, true.names)
    turns = np.einsum("nij,nkj->nik", found.poses.rotations[rows], true.poses.rotations[true_rows])
    angles = np.degrees(np.arccos(np.clip((np.trace(turns, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    return float(np.median(angles if but is None else np.delete(angles, but)))
