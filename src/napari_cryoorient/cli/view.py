"""``view``: a run or a stack in napari."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.errors import InputError

NAME = "view"
SUMMARY = "Open a particle stack, a map or a run in napari."


def run(
    path: Annotated[
        Path, typer.Argument(metavar="RUN_or_STAR", help="STAR file, stack, map or run folder.")
    ],
    map_path: options.OptionalMapPath = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Open napari with a particle stack, a map, or both."""
    for wanted in (path, map_path):
        if wanted is not None and not wanted.exists():
            raise InputError(f"{wanted} does not exist; check the path.")
    if find_spec("napari") is None or find_spec("qtpy") is None:
        raise InputError(
            "napari is not installed here; install it with: pip install 'napari-cryoorient[all]'."
        )
