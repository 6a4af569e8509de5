"""``project``: the projections of a map at the poses of a STAR file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.errors import InputError

SUMMARY = "Project a map at the poses of a STAR file."


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
    ctf: Annotated[
        bool, typer.Option("--ctf", help="Apply the CTF and aberrations that the STAR file gives.")
    ] = False,
    pixel_size: options.PixelSize = None,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Project a map at every pose of a STAR file, as relion_project does.

    Images have the map's box and pixel size; the STAR file says only where the particles lie.
    """
    from napari_cryoorient.device import choose_device, describe_device
    from napari_cryoorient.io.maps import read_map
    from napari_cryoorient.io.pose_table import read_pose_table
    from napari_cryoorient.memory import PROJECTIONS, refuse_map_beyond
    from napari_cryoorient.simulation.simulate import write_projections

    where = choose_device(device)
    if where.type == "cpu":
        refuse_map_beyond(map_path, PROJECTIONS, "Projecting a map")
    density = read_map(map_path, pixel_size_angstrom=pixel_size)
    table = read_pose_table(star_path)
    if table.poses is None:
        raise InputError(
            f"{star_path} gives nothing to project at: {table.why_not('poses')}; "
            "give a STAR file of a refinement or of predict."
        )
    if ctf and table.ctf is None:
        raise InputError(
            f"{star_path} gives nothing for --ctf: {table.why_not('CTF')}; "
            "leave --ctf out, or add those columns."
        )
    n = len(table.poses)
    with progress("Projecting") as advance:
        for note in density.notes:
            advance.say(f"Note: {note}")
        advance.say(f"{n} projections of {density.box} pixels on {describe_device(where)}")
        write_projections(
            density,
            table.poses,
            table.ctf if ctf else None,
            output,
            device=where,
            advance=advance,
            lenses=table.lenses if ctf else None,
        )
    print(f"{n} projections: {output}")
    if json:
        print_json(
            {
                "images": n,
                "stack": output,
                "box": density.box,
                "pixel_size_angstrom": density.pixel_size_angstrom,
                "ctf": ctf,
            }
        )
