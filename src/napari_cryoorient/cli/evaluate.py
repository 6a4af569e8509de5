"""``evaluate``: predicted poses against true ones."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads
from napari_cryoorient.cli.progress import print_json
from napari_cryoorient.errors import InputError
from napari_cryoorient.runs import layout

if TYPE_CHECKING:
    from napari_cryoorient.io.pose_table import PoseTable
    from napari_cryoorient.particles import Poses

SUMMARY = "Compare predicted poses with true ones."
LABELS = {
    "n": ("particles compared", "{:d}"),
    "median_deg": ("median angular error", "{:.2f}\N{DEGREE SIGN}"),
    "mean_deg": ("mean angular error", "{:.2f}\N{DEGREE SIGN}"),
    "fraction_under_5_deg": ("under 5\N{DEGREE SIGN}", "{:.1%}"),
    "fraction_under_10_deg": ("under 10\N{DEGREE SIGN}", "{:.1%}"),
    "shift_median_angstrom": ("median shift error", "{:.2f} \u00c5"),
    "shift_rms_angstrom": ("r.m.s. shift error", "{:.2f} \u00c5"),
    "rmse": ("reprojection RMSE (eq. 16, map's grey values)", "{:.4g}"),
    "relative_rmse": ("relative RMSE (0 perfect, 1.4 random)", "{:.3f}"),
}


def run(
    predicted_path: Annotated[
        Path,
        typer.Argument(metavar="PRED.star", help="Predicted poses; no images are needed."),
        Reads("particles"),
    ],
    true_path: Annotated[
        Path,
        typer.Argument(metavar="TRUE.star", help="True poses, in any order."),
        Reads("particles"),
    ],
    run_dir: Annotated[
        Path | None,
        typer.Option(
            "--run", metavar="RUN", help="Compare only the particles that this run held out."
        ),
        Reads("run"),
    ] = None,
    map_path: options.OptionalMapPath = None,
    symmetry: options.Symmetry = "C1",
    pixel_size: options.PixelSize = None,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Compare the poses of two STAR files, particle by particle, paired by image name.

    With a map also the difference between their projections, at the true shift.
    """
    from napari_cryoorient.device import choose_device
    from napari_cryoorient.evaluation import pose_errors, reprojection_rmse
    from napari_cryoorient.geometry.symmetry import symmetry_matrices
    from napari_cryoorient.io.maps import read_map
    from napari_cryoorient.io.pose_table import match_rows, other_pixel_sizes, read_pose_table
    from napari_cryoorient.memory import PROJECTIONS, refuse_map_beyond
    from napari_cryoorient.simulation.simulate import projector_of

    where = choose_device(device)
    group = symmetry_matrices(symmetry)
    if map_path is not None and where.type == "cpu":
        refuse_map_beyond(map_path, PROJECTIONS, "Projecting a map")
    density = None if map_path is None else read_map(map_path, pixel_size_angstrom=pixel_size)
    tables = [read_pose_table(path) for path in (predicted_path, true_path)]
    predicted, true = (
        _poses(table, path) for table, path in zip(tables, (predicted_path, true_path), strict=True)
    )
    for table, path in zip(tables, (predicted_path, true_path), strict=True):
        for note in table.notes:
            if not note.startswith("no CTF"):  # which is not compared
                print(f"Note on {path}: {note}", file=sys.stderr)
    rows, true_rows = match_rows(tables[0].names, tables[1].names)
    if not len(rows):
        raise InputError(
            f"No particle of {predicted_path} ({tables[0].names[0]} ...) is in {true_path} "
            f"({tables[1].names[0]} ...); compare files of one stack."
        )
    n_paired = len(rows)
    sizes = [table.pixel_sizes_angstrom for table in tables]
    if (other := other_pixel_sizes(sizes[0], sizes[1], rows, true_rows)) is not None:
        print(f"Note: {other}: shifts are compared in angstrom.", file=sys.stderr)
    if run_dir is not None:
        held_out = _is_held_out(run_dir, tables[0].names)[rows]
        if not held_out.any():
            raise InputError(
                f"None of the particles to compare was held out by {run_dir}: give a STAR file of "
                "the stack it was trained on."
            )
        rows, true_rows = rows[held_out], true_rows[held_out]
    predicted, true = predicted[rows], true[true_rows]
    results: dict[str, Any] = pose_errors(predicted, true, group).summary()
    if density is not None:
        projections = reprojection_rmse(projector_of(density, where), predicted, true)
        results |= {"rmse": projections.rmse, "relative_rmse": projections.relative_rmse}
    results |= {
        "symmetry": symmetry,
        "only_in_predicted": len(tables[0].names) - n_paired,
        "only_in_true": len(tables[1].names) - n_paired,
    }
    for key, path in (("only_in_predicted", predicted_path), ("only_in_true", true_path)):
        if results[key]:
            print(f"Note: {results[key]} particles are in {path} only.", file=sys.stderr)
    print(table_of(results))
    if json:
        print_json(results)


def _is_held_out(run_dir: Path, names: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which of the particles ``names`` a run held out for testing."""
    from napari_cryoorient.io.pose_table import match_rows, read_pose_table
    from napari_cryoorient.runs.reader import RunReader

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
    is_held_out = np.zeros(len(names), dtype=bool)
    is_held_out[rows] = True
    return is_held_out


def table_of(results: dict[str, Any]) -> str:
    """Lay the known figures out, one a line."""
    width = max(len(label) for key, (label, _) in LABELS.items() if key in results)
    return "\n".join(
        f"{label:<{width}}  {form.format(results[key])}"
        for key, (label, form) in LABELS.items()
        if key in results
    )


def _poses(table: PoseTable, path: Path) -> Poses:
    if table.poses is None:
        raise InputError(
            f"{path} cannot be compared: {table.why_not('poses')}; "
            "give a STAR file of a refinement or of predict."
        )
    return table.poses
