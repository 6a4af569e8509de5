"""``view``: a run or a stack in napari."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json
from napari_cryoorient.cli.screen import has_screen
from napari_cryoorient.errors import InputError

SUMMARY = "Open a run, a particle stack or a map in napari."


def run(
    path: Annotated[
        Path,
        typer.Argument(metavar="RUN_or_STAR", help="Run folder, STAR file, stack or map."),
        Reads("any"),
    ],
    map_path: options.OptionalMapPath = None,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="PNG",
            help="Save a picture of the window once all is in place, and close it.",
        ),
        Writes(),
    ] = None,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Open napari with the panel and a run or a STAR file loaded in it; maps and stacks as layers.

    With --map a STAR file's particles stand beside the map's projections at their poses.
    """
    for wanted in (path, map_path):
        if wanted is not None and not wanted.exists():
            raise InputError(f"{wanted} does not exist; check the path.")
    from napari_cryoorient.viewer.qt_binding import window_problem

    problem = window_problem()
    if problem:
        raise InputError(problem)
    if not has_screen():
        raise InputError("There is no screen to open napari on (DISPLAY is not set).")
    from napari_cryoorient.viewer.window import open_window

    open_window(
        path,
        map_path,
        pixel_size_angstrom=pixel_size,
        project_dir=project_dir,
        picture=picture,
    )
    if json:
        print_json({"shown": path, "map": map_path, "picture": picture})
