"""``symmetry``: the point group of a map, its axes, and how it lies against another map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress

SUMMARY = "Find a map's point group and axes, and how it lies against another map."


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
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Find the rotations that leave a map as it is: C and D to 12 folds, T, O, I.

    The axes may lie anywhere in the box. --symmetry of the other commands means RELION's axes
    through its centre; where the map's lie elsewhere, -o writes it turned and moved onto them.
    """
    from napari_cryoorient.geometry.symmetry import symmetry_matrices
    from napari_cryoorient.io.atomic import refuse_unwritable
    from napari_cryoorient.io.maps import read_map, write_map
    from napari_cryoorient.maps.symmetry import align_maps, detect_symmetry, turned_map
    from napari_cryoorient.maps.symmetry.describe import (
        axes_of_map,
        describe_alignment,
        describe_axes,
    )
    from napari_cryoorient.memory import TURNED, refuse_map_beyond

    if output is not None:
        refuse_unwritable(output)
    for path in (map_path, against):
        if path is not None:
            refuse_map_beyond(path, TURNED, "Turning a map")
    density = read_map(map_path, pixel_size_angstrom=pixel_size)
    other = None if against is None else read_map(against, pixel_size_angstrom=other_pixel_size)
    with progress("Comparing the map with itself") as advance:
        for note in density.notes:
            advance.say(f"Note: {note}")
        found = detect_symmetry(density)
        turn, shift = found.onto_relion()
        results: dict[str, Any] = {
            "map": map_path,
            "symmetry": found.name,
            "agreement": found.agreement,
            "on_relion_axes": found.is_on_relion_axes,
            "axes": [{"fold": n, "direction": d.tolist()} for n, d in axes_of_map(found)],
            "rotation_onto_relion_axes": turn.tolist(),
            "centre_angstrom": found.centre_angstrom.tolist(),
            "pseudo_symmetry": found.pseudo,
        }
        print(found.describe())
        for line in describe_axes(density, found):
            print(f"  {line}")
        if other is not None and against is not None:
            advance.restart(f"Comparing the map with {against.name}")
            group = found.from_relion @ symmetry_matrices(found.name) @ found.from_relion.T
            lies = align_maps(density, other, group, found.centre_angstrom)
            print(describe_alignment(found, lies, against.name))
            turn, shift = lies.rotation, lies.shift_angstrom
            results |= {
                "against": against,
                "rotation_onto_other": turn.tolist(),
                "shift_onto_other_angstrom": shift.tolist(),
                "angle_deg": lies.angle_deg,
                "correlation": lies.agreement,
                "correlation_next_best": lies.runner_up,
                "correlation_mirrored": lies.mirrored,
            }
    if output is not None:
        write_map(turned_map(density, turn, shift), output)
        print(
            f"{map_path.name} brought onto {'RELION axes' if against is None else against.name}: "
            f"{output}"
        )
        results["output"] = output
    if json:
        print_json(results)
