"""``export``: particles with poses in the files of RELION, cryoSPARC and cryoDRGN."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress

SUMMARY = "Write particles in the files of RELION, cryoSPARC or cryoDRGN."


def run(
    source: Annotated[
        Path,
        typer.Argument(metavar="STAR", help="Particles: a STAR file, or cryoSPARC's .cs."),
        Reads("particles"),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT", help="File to write; for cryodrgn a folder."),
        Writes(inside=("pose.pkl", "ctf.pkl")),
    ],
    form: Annotated[
        Literal["star", "relion30", "cs", "cryodrgn"],
        typer.Option(
            "--format",
            help="star: RELION 3.1 and later. relion30: RELION 3.0 and before. cs: cryoSPARC, from "
            "a .cs file only. cryodrgn: pose.pkl and ctf.pkl.",
        ),
    ] = "star",
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, metavar="P", help="Leave out particles with less confidence."
        ),
    ] = None,
    project_dir: options.ProjectDir = None,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Write all rows and columns in another program's form; poses stay what they are.

    The images stay where they are. cryoDRGN gets the poses and CTF that the file has.
    """
    from napari_cryoorient.tasks.export import export_particles

    with progress("Exporting") as advance:
        done = export_particles(
            source, output, form, project_dir=project_dir, min_confidence=min_confidence
        )
        for note in done.notes:
            advance.say(f"Note: {note}")
    left_out = f" ({done.n_left_out} left out)" if done.n_left_out else ""
    print(f"{done.n_particles} particles{left_out}: {', '.join(str(p) for p in done.paths)}")
    if json:
        print_json(
            {
                "particles": done.n_particles,
                "left_out": done.n_left_out,
                "format": form,
                "files": list(done.paths),
            }
        )
