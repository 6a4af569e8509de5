"""``micrographs``: which micrographs are unlike the others, by their particles."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.errors import InputError

SUMMARY = "Rank micrographs by how far their particles are unlike those of the others."


def run(
    star_path: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Particles with poses (STAR or .cs)."),
        Reads("particles"),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="TABLE.star", help="Write a row a micrograph."),
        Writes(holds="poses"),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Leave out a micrograph, for --kept (repeatable)."),
    ] = None,
    kept: Annotated[
        Path | None,
        typer.Option(metavar="STAR", help="Write the particles of the others."),
        Writes(holds="poses"),
    ] = None,
    worst: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many of the worst to name.")
    ] = 10,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Gather particles by micrograph, outliers first, and write those of the others.

    Micrographs are named by rlnMicrographName, or by the stack that a particle is in. Compared are
    numbers of particles, confidence, defocus, views and in-plane angles.
    """
    from napari_cryoorient.diagnosis.micrograph_files import (
        micrographs_of_star,
        write_figures,
        write_without,
    )
    from napari_cryoorient.io.atomic import refuse_unwritable

    began = time.monotonic()
    if bool(exclude) != (kept is not None):
        raise InputError("--exclude and --kept belong together: give both, or neither.")
    for path in (output, kept):
        if path is not None:
            refuse_unwritable(path)
    with progress("Micrographs") as advance:
        found, file = micrographs_of_star(star_path, reporter=advance.reporter)
    print(found.describe(worst))
    results: dict[str, Any] = found.summary(worst)
    if output is not None:
        write_figures(found, output)
        results["output"] = output
    if kept is not None:
        results["n_kept"] = write_without(file, exclude or [], kept)
        results["kept"] = kept
        print(f"{results['n_kept']} particles are left: {kept}")
    if json:
        print_json(results | {"seconds": time.monotonic() - began})
