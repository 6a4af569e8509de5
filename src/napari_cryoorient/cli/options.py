"""The flags that commands share, made from the settings they give."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient import settings
from napari_cryoorient.cli.files import LooksIn, Reads, Writes
from napari_cryoorient.errors import InputError
from napari_cryoorient.settings import DeviceName, Setting

PICTURES = (".png", ".svg", ".pdf")
_A_MAP = "Reference map (mrc, map, gz, bz2, PDB, mmCIF)."


def option_of(setting: Setting, *flags: str, default: object = None) -> Any:
    """Make a typer option of a setting; ``default`` is told in its help, not set.

    typer refuses what is below or above the closed bounds; the open ones are the config's.
    """
    metavar = setting.metavar or setting.unit
    return typer.Option(
        *flags,
        help=setting.sentence(default),
        show_default=False,
        metavar=None if metavar is None else metavar.upper(),
        min=setting.ge,
        max=setting.le,
    )


Device = Annotated[DeviceName, option_of(settings.DEVICE, default="auto")]
Seed = Annotated[int, option_of(settings.SEED, default=0)]
UnusedDevice = Annotated[
    DeviceName, typer.Option(help="Accepted by every command; no effect here.")
]
UnusedSeed = Annotated[int, typer.Option(min=0, help="Accepted by every command; no effect here.")]
Json = Annotated[
    bool, typer.Option("--json", help="End with one line of machine-readable results on stdout.")
]
Symmetry = Annotated[str, option_of(settings.SYMMETRY, default="C1")]
StarPath = Annotated[
    Path, typer.Argument(metavar="STAR", help="Particle STAR file."), Reads("particles")
]
PosedStarPath = Annotated[
    Path,
    typer.Argument(metavar="STAR", help="Particle STAR file with poses."),
    Reads("particles"),
]
PosesOutput = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT",
        help="STAR file to write; a .cs file too where the particles come from one.",
    ),
    Writes(holds="poses"),
]
MapPath = Annotated[Path, typer.Option("--map", metavar="MAP", help=_A_MAP), Reads("map")]
OptionalMapPath = Annotated[
    Path | None, typer.Option("--map", metavar="MAP", help=_A_MAP), Reads("map")
]
PixelSize = Annotated[float | None, option_of(settings.PIXEL_SIZE)]
ProjectDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder that image names in the STAR file start from."),
    LooksIn(),
]
Resolution = Annotated[float | None, option_of(settings.RESOLUTION)]
InvertContrast = Annotated[
    settings.InvertContrast, option_of(settings.INVERT_CONTRAST, default="auto")
]
Lowpass = Annotated[float | None, option_of(settings.LOWPASS)]
ShiftSigma = Annotated[float, option_of(settings.SHIFT_SIGMA, default=0)]
MapsMask = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|auto", help="Soft mask: a map from 0 to 1, or one found from both maps."
    ),
    Reads("map", ("auto",)),
]
Table = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Write the curve as a table."),
    Writes(holds="table"),
]
Figure = Annotated[
    Path | None,
    typer.Option("--figure", metavar="FILE", help="Draw it (.png, .svg or .pdf)."),
    Writes(),
]


def refuse_other_pictures(figure: Path | None) -> None:
    """Raise InputError where the name of a figure does not say which kind of picture it is."""
    if figure is not None and figure.suffix.lower() not in PICTURES:
        raise InputError(f"--figure {figure}: the name has to end in {', '.join(PICTURES)}.")
