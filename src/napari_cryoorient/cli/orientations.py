"""``orientations``: how evenly the views of a set of poses cover Fourier space."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import OrientationsConfig
from napari_cryoorient.errors import InputError

SUMMARY = "Judge the views of a set of poses: SCF, empty cones, cFAR, and what to do about it."


@with_settings(OrientationsConfig)
def run(
    star_path: Annotated[
        Path,
        typer.Argument(metavar="STAR", help="Poses (STAR or .cs); no images are needed."),
        Reads("particles"),
    ],
    half1: Annotated[
        Path | None,
        typer.Option(metavar="HALF1.mrc", help="A half-map, for the FSC in all directions."),
        Reads("map"),
    ] = None,
    half2: Annotated[
        Path | None, typer.Option(metavar="HALF2.mrc", help="The other half-map."), Reads("map")
    ] = None,
    mask: options.MapsMask = None,
    figure: Annotated[
        Path | None,
        typer.Option("-o", "--figure", metavar="FILE", help="Draw the page (.pdf, .png or .svg)."),
        Writes(),
    ] = None,
    pixel_size: options.PixelSize = None,
    device: options.UnusedDevice = "auto",
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Count views and what they sample, correlate half-maps in cones, and say what it means.

    SCF* of 0.81 and more and cFAR of 0.5 and more count as sufficient. --seed draws the
    views that are counted where there are very many.
    """
    from napari_cryoorient.diagnosis.orientation_files import orientations_of_star
    from napari_cryoorient.diagnosis.orientations_picture import save_orientations
    from napari_cryoorient.io.atomic import refuse_unwritable

    config = build_settings(OrientationsConfig, settings)
    began = time.monotonic()
    if (half1 is None) != (half2 is None):
        raise InputError("One half-map is given: name both, with --half1 and --half2.")
    if mask is not None and half1 is None:
        raise InputError("--mask is for half-maps: name them with --half1 and --half2.")
    options.refuse_other_pictures(figure)
    if figure is not None:
        refuse_unwritable(figure)
    with progress("Views") as advance:
        report = orientations_of_star(
            star_path,
            config,
            half_paths=None if half1 is None or half2 is None else (half1, half2),
            mask=mask,
            map_pixel_size_angstrom=pixel_size,
            reporter=advance.reporter,
        )
    cfar = "" if report.conical is None else f", cFAR {report.conical.cfar:.2f}"
    print(
        f"{report.n} particles: SCF {report.scf:.2f}, SCF* {report.scf_star:.2f}{cfar}; "
        f"{report.sampling.empty_share:.1%} of Fourier space is empty."
    )
    print(report.advice)
    results: dict[str, Any] = report.summary() | {"symmetry": config.symmetry, "seed": config.seed}
    if figure is not None:
        save_orientations(figure, report, title=star_path.name)
        results["figure"] = figure
    results["seconds"] = time.monotonic() - began
    if json:
        print_json(results)
