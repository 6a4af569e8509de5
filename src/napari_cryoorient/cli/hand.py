"""``hand``: whether the map is the molecule or its mirror image, by a tilt."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import HandConfig

SUMMARY = "Tell the hand of the map from tilt pairs, or from the views of tilted particles."


@with_settings(HandConfig)
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
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Tell whether the map that poses were found with is the molecule or its mirror image.

    Both files hold poses found with one map. Particles are paired by rlnParticleName, or row by
    row. Without pairs the hand shows where particles lie in the ice in a preferred way.
    """
    from napari_cryoorient.diagnosis.hand_files import hand_of_files

    config = build_settings(HandConfig, settings)
    began = time.monotonic()
    with progress("Reading poses") as advance:
        found = hand_of_files(tilted, untilted, config, reporter=advance.reporter)
    print(found.describe())
    if json:
        print_json(found.summary() | {"seconds": time.monotonic() - began})
