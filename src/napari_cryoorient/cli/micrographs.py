"""``micrographs``: which micrographs are unlike the others, by their particles."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import MicrographsConfig

SUMMARY = "Rank micrographs by how far their particles are unlike those of the others."


@with_settings(MicrographsConfig)
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
    kept: Annotated[
        Path | None,
        typer.Option(metavar="STAR", help="Write the particles of the others."),
        Writes(holds="poses"),
    ] = None,
    device: options.UnusedDevice = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Gather particles by micrograph, outliers first, and write those of the others.

    Micrographs are named by rlnMicrographName, or by the stack that a particle is in. Compared are
    numbers of particles, confidence, defocus, views and in-plane angles.
    """
    from napari_cryoorient.diagnosis.micrograph_files import micrographs_of_star

    config = build_settings(MicrographsConfig, settings)
    began = time.monotonic()
    with progress("Micrographs") as advance:
        done = micrographs_of_star(
            star_path, config, output=output, kept=kept, reporter=advance.reporter
        )
    print(done.found.describe())
    results: dict[str, Any] = done.found.summary()
    if output is not None:
        results["output"] = output
    if kept is not None:
        results |= {"n_kept": done.n_kept, "kept": kept}
        print(f"{done.n_kept} particles are left: {kept}")
    if json:
        print_json(results | {"seconds": time.monotonic() - began})
