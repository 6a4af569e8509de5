"""The flags that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_cryoorient.cli.files import LooksIn, Reads

OUTPUT_HELP = "STAR file to write; a .cs file too where the particles come from one."

DeviceName = Literal["auto", "cuda", "mps", "cpu"]

Device = Annotated[
    DeviceName, typer.Option(help="Where to compute: auto takes CUDA, then MPS, then the CPU.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
UnusedSeed = Annotated[int, typer.Option(min=0, help="Taken as by every command; no effect here.")]
Json = Annotated[
    bool, typer.Option("--json", help="End with one line of machine-readable results on stdout.")
]
Symmetry = Annotated[
    str, typer.Option(metavar="NAME", help="Point group on RELION's axes: C1, D2, D7, O, I1, ...")
]
StarPath = Annotated[
    Path, typer.Argument(metavar="STAR", help="Particle STAR file."), Reads("particles")
]
MapPath = Annotated[
    Path,
    typer.Option("--map", metavar="MAP", help="Reference map (mrc, map, gz, bz2, PDB, mmCIF)."),
    Reads("map"),
]
OptionalMapPath = Annotated[
    Path | None,
    typer.Option("--map", metavar="MAP", help="Reference map (mrc, map, gz, bz2, PDB, mmCIF)."),
    Reads("map"),
]
PixelSize = Annotated[
    float | None,
    typer.Option(min=0.0, metavar="A", help="Pixel size of a map whose header has none."),
]
ProjectDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder that image names in the STAR file start from."),
    LooksIn(),
]
Resolution = Annotated[
    float | None,
    typer.Option(
        min=0.1, metavar="A", help="Finest detail used. [default: where the stack's signal ends]"
    ),
]
InvertContrast = Annotated[
    Literal["auto", "yes", "no"],
    typer.Option(help="Turn dark particles on white; auto does it where the sign is clear."),
]
