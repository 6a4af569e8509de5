"""``symmetry``: the point group of a map, its axes, and how it is turned against another map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import SymmetryConfig

SUMMARY = "Find a map's point group and axes, and its orientation relative to another map."


@with_settings(SymmetryConfig)
def run(
    map_path: Annotated[
        Path,
        typer.Argument(metavar="MAP", help="Map (mrc, map, gz, bz2, PDB, mmCIF)."),
        Reads("map"),
    ],
    against: Annotated[
        Path | None,
        typer.Option(metavar="OTHER", help="Map to compare with: which axis lies along which."),
        Reads("map"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT.mrc",
            help="Write MAP turned and moved onto RELION's axes of its group, or onto OTHER.",
        ),
        Writes(holds="images"),
    ] = None,
    pixel_size: options.PixelSize = None,
    other_pixel_size: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="A", help="Pixel size of OTHER if its header has none."),
    ] = None,
    device: options.UnusedDevice = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Find the rotations that leave a map as it is: C and D, T, O, I.

    The axes may lie anywhere in the box. --symmetry of the other commands means RELION's axes
    through its centre; where the map's lie elsewhere, -o writes it turned and moved onto them.
    """
    from napari_cryoorient.tasks.symmetry import symmetry_of_map

    config = build_settings(SymmetryConfig, settings)
    with progress("Comparing the map with itself") as advance:
        done = symmetry_of_map(
            map_path,
            config,
            against=against,
            output=output,
            pixel_size_angstrom=pixel_size,
            other_pixel_size_angstrom=other_pixel_size,
            reporter=advance.reporter,
        )
    for line in done.described:
        print(line)
    if json:
        results: dict[str, Any] = {"map": map_path} | done.summary()
        if against is not None:
            results["against"] = against
        if output is not None:
            results["output"] = output
        print_json(results)
