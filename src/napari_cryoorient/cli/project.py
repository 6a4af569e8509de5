"""``project``: the projections of a map at the poses of a STAR file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import ProjectConfig

SUMMARY = "Project a map at the poses of a STAR file."


@with_settings(ProjectConfig)
def run(
    map_path: Annotated[
        Path,
        typer.Argument(metavar="MAP", help="Reference map (mrc, map, gz, bz2, PDB, mmCIF)."),
        Reads("map"),
    ],
    star_path: Annotated[
        Path,
        typer.Argument(metavar="STAR", help="Particles with poses; no images are needed."),
        Reads("particles"),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT.mrcs", help="Stack to write."),
        Writes(holds="images"),
    ],
    pixel_size: options.PixelSize = None,
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Project a map at every pose of a STAR file, as relion_project does.

    Images have the map's box and pixel size; the STAR file gives only the poses.
    """
    from napari_cryoorient.tasks.project import project_star

    config = build_settings(ProjectConfig, settings)
    with progress("Projecting") as advance:
        done = project_star(
            map_path,
            star_path,
            output,
            config,
            map_pixel_size_angstrom=pixel_size,
            reporter=advance.reporter,
        )
    print(f"{done.n} projections: {output}")
    if json:
        print_json(
            {
                "images": done.n,
                "stack": output,
                "box": done.box,
                "pixel_size_angstrom": done.pixel_size_angstrom,
                "ctf": config.with_ctf,
            }
        )
