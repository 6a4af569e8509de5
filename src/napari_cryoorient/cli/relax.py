"""``relax``: which of the equivalent poses of a pseudo-symmetry each particle is at."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress

SUMMARY = "Tell the equivalent poses of a pseudo-symmetry apart, particle by particle."


def run(
    star_path: Annotated[
        Path,
        typer.Argument(metavar="STAR", help="Particle STAR file with poses."),
        Reads("particles"),
    ],
    map_path: options.MapPath,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT", help=options.OUTPUT_HELP),
        Writes(holds="poses"),
    ],
    symmetry: Annotated[
        str, typer.Option(metavar="NAME", help="The pseudo-symmetry, on RELION's axes: D7, C4 ...")
    ] = "C1",
    invert_contrast: options.InvertContrast = "auto",
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Weigh each particle's equivalent poses by their likelihood, and write the likeliest.

    The map has to show what breaks the symmetry: reconstruct without it. The probability of the
    pose taken goes to rlnParticleFigureOfMerit.
    """
    from napari_cryoorient.device import choose_device
    from napari_cryoorient.diagnosis.relax_inputs import relax_inputs
    from napari_cryoorient.geometry.symmetry import symmetry_matrices
    from napari_cryoorient.io.atomic import refuse_unwritable
    from napari_cryoorient.io.star import write_poses
    from napari_cryoorient.stack.pairing import load_inputs

    began = time.monotonic()
    symmetry_matrices(symmetry)  # refuses a name before the files are read
    refuse_unwritable(output)
    with progress("Relaxing") as advance:
        inputs = load_inputs(
            star_path,
            map_path,
            invert_contrast=invert_contrast,
            project_dir=project_dir,
            map_pixel_size_angstrom=pixel_size,
        )
        found = relax_inputs(
            inputs, symmetry, choose_device(device), progress=advance, say=advance.say
        )
    write_poses(inputs.star, found.poses, output, confidence=found.probability)
    print(found.describe())
    print(f"{len(found.best)} particles: {output}")
    if json:
        seconds = time.monotonic() - began
        print_json(found.summary() | {"star": output, "symmetry": symmetry, "seconds": seconds})
