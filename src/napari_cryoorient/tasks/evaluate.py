"""Poses compared with true ones, in memory and of two files: what ``evaluate`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.config import EvaluateConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.evaluation import (
    PoseErrors,
    ReprojectionErrors,
    pose_errors,
    reprojection_rmse,
)
from napari_cryoorient.geometry.point_groups import point_group
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.pose_table import (
    PoseTable,
    match_rows,
    other_pixel_sizes,
    read_pose_table,
)
from napari_cryoorient.memory import PROJECTIONS, refuse_map_beyond
from napari_cryoorient.particles import DensityMap, Floats, Integers
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.tasks.pairs import NamedPoses, paired


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """How far poses are from others: ``errors`` of each pair, and of their ``projections``.

    ``rows`` and ``true_rows`` ``(k,)`` are the pairs' places in the two sets that were compared.
    ``projections`` is None where no map was given.
    """

    errors: PoseErrors
    projections: ReprojectionErrors | None
    rows: Integers
    true_rows: Integers

    @property
    def angles_deg(self) -> Floats:
        """Angle between each pair ``(k,)``, the smallest over the symmetry group."""
        return self.errors.angles_deg

    @property
    def median_deg(self) -> float:
        """Median of these angles."""
        return self.errors.median_deg

    def summary(self) -> dict[str, float]:
        """Return the figures by name, as ``evaluate --json`` does."""
        figures = self.errors.summary()
        if self.projections is not None:
            figures["rmse"] = self.projections.rmse
            figures["relative_rmse"] = self.projections.relative_rmse
        return figures

    def __repr__(self) -> str:
        e = self.errors
        return (
            f"Evaluation({len(self.rows)} pairs, median {e.median_deg:.2f} degrees, "
            f"{e.fraction_under_5_deg:.0%} under 5, {e.fraction_under_10_deg:.0%} under 10, "
            f"shifts {e.shift_rms_angstrom:.2f} A rms)"
        )


@dataclass(frozen=True)
class FileEvaluation:
    """What was found, and how many particles are in one of the two files only."""

    found: Evaluation
    n_only_in_predicted: int
    n_only_in_true: int


def evaluate_poses(
    found: NamedPoses,
    true: NamedPoses,
    config: EvaluateConfig = EvaluateConfig(),
    *,
    density: DensityMap | None = None,
    is_compared: NDArray[np.bool_] | None = None,
) -> Evaluation:
    """Compare poses with true ones, under the symmetry group.

    With ``density`` the projections at both poses are compared too, at the true shift.
    ``is_compared`` ``(n,)`` leaves out the others of ``found``.  Raises InputError where nothing
    can be paired.
    """
    group = point_group(config.symmetry)
    rows, true_rows = paired(found, true)
    if is_compared is not None:
        kept = is_compared[rows]
        rows, true_rows = rows[kept], true_rows[kept]
    a, b = found.poses[rows], true.poses[true_rows]
    projections = None
    if density is not None:
        # What loads torch: poses alone are compared without it.
        from napari_cryoorient.device import choose_device
        from napari_cryoorient.simulation.simulate import projector_of

        device = choose_device(config.device)
        projections = reprojection_rmse(projector_of(density, device), a, b)
    return Evaluation(pose_errors(a, b, group), projections, rows, true_rows)


def evaluate_files(
    predicted_path: Path,
    true_path: Path,
    config: EvaluateConfig = EvaluateConfig(),
    *,
    run_dir: Path | None = None,
    map_path: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
) -> FileEvaluation:
    """Compare the poses of two files, of the particles alone that the run ``run_dir`` held out.

    Raises InputError for files without poses, or that have no particle in common.
    """
    say = reporter.say
    point_group(config.symmetry)  # refuses a name before the files are read
    density = None
    if map_path is not None:
        from napari_cryoorient.device import choose_device  # loads torch

        if choose_device(config.device).type == "cpu":
            refuse_map_beyond(map_path, PROJECTIONS, "Projecting a map")
        density = read_map(map_path, pixel_size_angstrom=map_pixel_size_angstrom)
    paths = predicted_path, true_path
    tables = [read_pose_table(path) for path in paths]
    predicted, true = (_named(table, path) for table, path in zip(tables, paths, strict=True))
    for table, path in zip(tables, paths, strict=True):
        for note in table.notes:
            if not note.startswith("no CTF"):  # which is not compared
                say(f"Note on {path}: {note}")
    rows, true_rows = paired(predicted, true)
    sizes = [table.pixel_sizes_angstrom for table in tables]
    if (other := other_pixel_sizes(sizes[0], sizes[1], rows, true_rows)) is not None:
        say(f"Note: {other}: shifts are compared in angstrom.")
    held_out = None
    if run_dir is not None:
        held_out = is_held_out(run_dir, tables[0].names)
        if not held_out[rows].any():
            raise InputError(
                f"None of the particles to compare was held out by {run_dir}: give a STAR file of "
                "the stack it was trained on."
            )
    done = FileEvaluation(
        evaluate_poses(predicted, true, config, density=density, is_compared=held_out),
        len(predicted.poses) - len(rows),
        len(true.poses) - len(rows),
    )
    for n, path in zip((done.n_only_in_predicted, done.n_only_in_true), paths, strict=True):
        if n:
            say(f"Note: {n} particles are in {path} only.")
    return done


def is_held_out(run_dir: Path, names: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which of the particles ``names`` a run held out for testing; raises InputError."""
    reader = RunReader(run_dir)
    test_rows = reader.test_rows()
    if test_rows is None:
        raise InputError(f"{run_dir} does not say which particles it held out: is it a run folder?")
    star = run_dir / layout.POSES
    if not star.is_file():
        record = reader.run()
        star = (record and record.inputs.star_path) or star
    of_run = read_pose_table(star).names
    rows, _ = match_rows(names, [of_run[row] for row in test_rows])
    held_out = np.zeros(len(names), dtype=bool)
    held_out[rows] = True
    return held_out


def _named(table: PoseTable, path: Path) -> NamedPoses:
    if table.poses is None:
        raise InputError(
            f"{path} cannot be compared: {table.why_not('poses')}; "
            "give a STAR file of a refinement or of predict."
        )
    return NamedPoses(table.poses, table.names, str(path))
