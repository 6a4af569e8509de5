"""``relax``: which of the equivalent poses of a pseudo-symmetry each particle is at."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import RelaxConfig

SUMMARY = "Find which of the equivalent poses of a pseudo-symmetry each particle is at."


@with_settings(RelaxConfig)
def run(
    star_path: options.PosedStarPath,
    map_path: options.MapPath,
    output: options.PosesOutput,
    mask: Annotated[
        Path | None,
        typer.Option(metavar="MAP", help="Mask, 0 to 1; equivalents are the same outside it."),
        Reads("map"),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(metavar="STAR", help="Write the probabilities of all equivalents."),
        Writes(holds="poses"),
    ] = None,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Weigh each particle's equivalent poses by their likelihood, and write the most probable.

    The map has to show what breaks the symmetry: reconstruct without it. The probability of the
    chosen pose goes to rlnParticleFigureOfMerit.
    """
    from napari_cryoorient.diagnosis.relax_inputs import relax_star

    config = build_settings(RelaxConfig, settings)
    began = time.monotonic()
    with progress("Relaxing") as advance:
        found = relax_star(
            star_path,
            map_path,
            output,
            config,
            mask_path=mask,
            table=table,
            project_dir=project_dir,
            map_pixel_size_angstrom=pixel_size,
            reporter=advance.reporter,
        )
    print(found.describe())
    print(f"{len(found.best)} particles: {output}")
    if json:
        results: dict[str, Any] = found.summary() | {"sentence": found.describe()}
        results |= {"star": output, "symmetry": config.symmetry}
        if table is not None:
            results["table"] = table
        print_json(results | {"seconds": time.monotonic() - began})
