"""``view``: a run or a stack in napari."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.progress import print_json
from napari_cryoorient.errors import InputError

NAME = "view"
SUMMARY = "Open a particle stack, a map or a run in napari."


def run(
    path: Annotated[
        Path, typer.Argument(metavar="RUN_or_STAR", help="Run folder, STAR file, stack or map.")
    ],
    map_path: options.OptionalMapPath = None,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Open napari with particles, with a map beside its projections at their poses, or with a run.

    A run is shown by its preview: input, true and predicted projections of test particles.
    """
    for wanted in (path, map_path):
        if wanted is not None and not wanted.exists():
            raise InputError(f"{wanted} does not exist; check the path.")
    from napari_cryoorient.viewer.show import is_napari_installed, layers_of, open_window

    if not is_napari_installed():
        raise InputError(
            "napari is not installed here; install it with: pip install 'napari-cryoorient[all]'."
        )
    layers = layers_of(path, map_path, pixel_size, project_dir)
    open_window(layers, f"{path.name} - napari-cryoorient")
    if json:
        print_json({"layers": [str(layer[1]["name"]) for layer in layers]})
