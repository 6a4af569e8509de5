"""``filter-curve``: what a threshold on the confidence keeps, and what the map makes of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import FilterCurveConfig

SUMMARY = "For each threshold on the confidence: particles kept, wrong poses, resolution."


@with_settings(FilterCurveConfig)
def run(
    star_path: Annotated[
        Path,
        typer.Argument(metavar="STAR", help="Particles with poses and rlnParticleFigureOfMerit."),
        Reads("particles"),
    ],
    map_path: options.OptionalMapPath = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="Write the particles kept (STAR, .cs)."),
        Writes(holds="poses"),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="P",
            help="Threshold for -o. [default: that of the finest half-maps]",
        ),
    ] = None,
    csv: options.Table = None,
    figure: options.Figure = None,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Reconstruct half-maps of the particles above each threshold, in one pass over the images.

    Half-sets are those of rlnRandomSubset, or drawn with --seed. With a map the curves are taken
    within its mask, and the FSC with it is given too.
    """
    from napari_cryoorient.diagnosis.filter_curve import save_filter_curve, write_filter_curve
    from napari_cryoorient.diagnosis.filter_files import filter_curve_of_file, write_kept
    from napari_cryoorient.io.atomic import refuse_unwritable

    config = build_settings(FilterCurveConfig, settings)
    began = time.monotonic()
    options.refuse_other_pictures(figure)
    for path in (output, csv, figure):
        if path is not None:
            refuse_unwritable(path)
    with progress("Entering images") as advance:
        curve = filter_curve_of_file(
            star_path,
            map_path,
            config,
            map_pixel_size_angstrom=pixel_size,
            project_dir=project_dir,
            reporter=advance.reporter,
        )
    print("threshold  particles  expected wrong  half-maps  reference")
    for row in curve.rows():
        print(
            f"{row['threshold']:9.4f}  {row['kept']:9d}  {row['expected_wrong_share']:14.1%}  "
            f"{row['half_map_angstrom']:7.2f} A  {row['reference_angstrom']:7.2f} A"
        )
    print(curve.describe())
    results: dict[str, Any] = curve.summary()
    if csv is not None:
        write_filter_curve(curve, csv)
        results["csv"] = csv
    if figure is not None:
        save_filter_curve(figure, curve, title=star_path.name)
        results["figure"] = figure
    if output is not None:
        least = float(curve.thresholds[curve.best]) if min_confidence is None else min_confidence
        results["n_written"] = write_kept(star_path, least, output)
        results["output"] = output
        print(f"{results['n_written']} particles of at least {least:.4g}: {output}")
    results["seconds"] = time.monotonic() - began
    if json:
        print_json(results)
