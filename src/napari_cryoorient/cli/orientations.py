"""``orientations``: how evenly the views of a set of poses cover Fourier space."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.errors import InputError

SUMMARY = "Judge the views of a set of poses: SCF, empty cones, cFAR, and what to do about it."


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
    symmetry: options.Symmetry = "C1",
    figure: Annotated[
        Path | None,
        typer.Option("-o", "--figure", metavar="FILE", help="Draw the page (.pdf, .png or .svg)."),
        Writes(),
    ] = None,
    pixel_size: options.PixelSize = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Count views and what they sample, correlate half-maps in cones, and say what it means.

    SCF* of 0.81 and more and cFAR of 0.5 and more are taken to be sufficient. --seed draws the
    views that are counted where there are very many.
    """
    from napari_cryoorient.diagnosis.half_maps import conical_of_maps
    from napari_cryoorient.diagnosis.orientations import orientation_report
    from napari_cryoorient.diagnosis.orientations_picture import save_orientations
    from napari_cryoorient.diagnosis.pose_files import read_poses
    from napari_cryoorient.geometry.symmetry import symmetry_matrices
    from napari_cryoorient.io.atomic import refuse_unwritable
    from napari_cryoorient.io.maps import read_map

    began = time.monotonic()
    group = symmetry_matrices(symmetry)
    if (half1 is None) != (half2 is None):
        raise InputError("One half-map is given: name both, with --half1 and --half2.")
    if mask is not None and half1 is None:
        raise InputError("--mask is for half-maps: name them with --half1 and --half2.")
    options.refuse_other_pictures(figure)
    if figure is not None:
        refuse_unwritable(figure)
    with progress("Views") as advance:
        file = read_poses(star_path)
        for note in file.notes:
            if not note.startswith("no CTF"):
                advance.say(f"Note: {note}")
        report = orientation_report(file.poses, group, seed=seed)
        if half1 is not None and half2 is not None:
            advance.restart("Half-maps")
            a, b = (read_map(each, pixel_size_angstrom=pixel_size) for each in (half1, half2))
            report = report.with_conical(conical_of_maps(a, b, mask=mask, say=advance.say))
    cfar = "" if report.conical is None else f", cFAR {report.conical.cfar:.2f}"
    print(
        f"{report.n} particles: SCF {report.scf:.2f}, SCF* {report.scf_star:.2f}{cfar}; "
        f"{report.sampling.empty_share:.1%} of Fourier space is empty."
    )
    print(report.advice)
    results: dict[str, Any] = report.summary() | {"symmetry": symmetry, "seed": seed}
    if figure is not None:
        save_orientations(figure, report, title=star_path.name)
        results["figure"] = figure
    results["seconds"] = time.monotonic() - began
    if json:
        print_json(results)
