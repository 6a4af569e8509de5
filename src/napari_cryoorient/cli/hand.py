"""``hand``: whether the map is the molecule or its mirror image, by a tilt."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads
from napari_cryoorient.cli.progress import print_json, progress

SUMMARY = "Tell the hand of the map from tilt pairs, or from the views of tilted particles."


def run(
    tilted: Annotated[
        Path,
        typer.Argument(metavar="TILTED.star", help="Poses in tilted images (STAR or .cs)."),
        Reads("particles"),
    ],
    untilted: Annotated[
        Path | None,
        typer.Option(metavar="STAR", help="Poses of the same particles in untilted images."),
        Reads("particles"),
    ] = None,
    tilt: Annotated[
        float | None,
        typer.Option(
            min=-180.0,
            max=180.0,
            metavar="DEG",
            help="The specimen was turned by so much, from the untilted images on. "
            "[default: rlnMicrographTiltAngle]",
        ),
    ] = None,
    axis: Annotated[
        float | None,
        typer.Option(
            min=-360.0,
            max=360.0,
            metavar="DEG",
            help="Axis of the tilt in the image, from x towards y. "
            "[default: rlnMicrographTiltAxisDirection, or as the defocus has it]",
        ),
    ] = None,
    symmetry: options.Symmetry = "C1",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Tell whether the map that poses were found with is the molecule or its mirror image.

    Both files hold poses found with one map. Particles are paired by rlnParticleName, or row by
    row. Without pairs the hand shows where particles lie in the ice in a preferred way.
    """
    from napari_cryoorient.diagnosis.hand_files import hand_of_files

    began = time.monotonic()
    with progress("Reading poses") as advance:
        found = hand_of_files(
            tilted, untilted, symmetry=symmetry, tilt_deg=tilt, axis_deg=axis, say=advance.say
        )
    print(found.describe())
    if json:
        print_json(found.summary() | {"seconds": time.monotonic() - began})
