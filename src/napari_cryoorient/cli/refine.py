"""``refine``: rotations and shifts of a stack refined against a map."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.errors import InputError

SUMMARY = "Refine rotations and shifts locally against a map."


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
    symmetry: options.Symmetry = "C1",
    resolution: options.Resolution = None,
    invert_contrast: options.InvertContrast = "auto",
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Refine poses that are right within about 18 degrees; all rows and columns are kept.

    Particles that fit badly are started anew from poses around theirs. The confidence goes to
    rlnParticleFigureOfMerit; the symmetry matters for it alone.
    """
    from napari_cryoorient.tasks.refine import refine_star

    began = time.monotonic()
    with progress("Refining") as advance:
        done = refine_star(
            star_path,
            map_path,
            output,
            symmetry=symmetry,
            resolution_angstrom=resolution,
            invert_contrast=invert_contrast,
            device=device,
            project_dir=project_dir,
            map_pixel_size_angstrom=pixel_size,
            progress=advance,
            say=advance.say,
        )
    refined = done.refined
    if refined is None or done.confidence is None:
        raise InputError(f"The refinement was stopped; {output} was not written.")
    seconds = time.monotonic() - began
    speed = done.n_particles / max(seconds, 1e-9)
    print(f"{done.n_particles} particles ({speed:.0f} a second on {done.device}): {output}")
    if json:
        print_json(
            {
                "particles": done.n_particles,
                "star": output,
                "seconds": seconds,
                "images_per_second": speed,
                "median_moved_deg": refined.median_moved_deg,
                "median_moved_angstrom": refined.median_moved_angstrom,
                "beyond_basin": refined.n_beyond_basin,
                "doubtful": int(refined.is_doubtful.sum()),
                "mean_confidence": float(done.confidence.mean()),
                "mean_correlation": float(refined.correlation.mean()),
                "device": done.device,
            }
        )
