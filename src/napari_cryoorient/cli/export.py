"""``export``: particles with poses in the files of RELION, cryoSPARC and cryoDRGN."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import ExportConfig

SUMMARY = "Write particles in the files of RELION, cryoSPARC or cryoDRGN."


@with_settings(ExportConfig)
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
    project_dir: options.ProjectDir = None,
    device: options.UnusedDevice = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Write all rows and columns in another program's form; poses stay what they are.

    The images stay where they are. cryoDRGN gets the poses and CTF that the file has.
    """
    from napari_cryoorient.tasks.export import export_particles

    config = build_settings(ExportConfig, settings)
    with progress("Exporting") as advance:
        done = export_particles(source, output, config, project_dir=project_dir)
        for note in done.notes:
            advance.say(f"Note: {note}")
    left_out = f" ({done.n_left_out} left out)" if done.n_left_out else ""
    print(f"{done.n_particles} particles{left_out}: {', '.join(str(p) for p in done.paths)}")
    if json:
        print_json(
            {
                "particles": done.n_particles,
                "left_out": done.n_left_out,
                "format": config.format,
                "files": list(done.paths),
            }
        )
