"""``search``: poses of a stack without labels, by global search against a map."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.errors import InputError

SUMMARY = "Find poses by global search against a map, without labels."


def run(
    star_path: options.StarPath,
    map_path: options.MapPath,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT", help=options.OUTPUT_HELP),
        Writes(holds="poses"),
    ],
    symmetry: options.Symmetry = "C1",
    subset: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Search a random N particles and write only these."),
    ] = None,
    shift_range: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="A",
            help="How far particles lie off centre. [default: 8% of the box]",
        ),
    ] = None,
    resolution: options.Resolution = None,
    invert_contrast: options.InvertContrast = "auto",
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Search rotations and shifts of every particle; poses in the STAR file are not looked at.

    The confidence, the probability that a pose is right within 10 degrees, goes to
    rlnParticleFigureOfMerit. All columns of the rows written are kept.
    """
    from napari_cryoorient.tasks.search import search_star

    began = time.monotonic()
    with progress("Searching") as advance:
        done = search_star(
            star_path,
            map_path,
            output,
            symmetry=symmetry,
            subset=subset,
            seed=seed,
            shift_range_angstrom=shift_range,
            resolution_angstrom=resolution,
            invert_contrast=invert_contrast,
            device=device,
            project_dir=project_dir,
            map_pixel_size_angstrom=pixel_size,
            progress=advance,
            say=advance.say,
        )
    if done.found is None:
        raise InputError(f"The search was stopped; {output} was not written.")
    seconds = time.monotonic() - began
    speed = done.n_particles / max(seconds, 1e-9)
    confidence, correlation = done.found.confidence, done.found.correlation
    print(
        f"{done.n_particles} particles ({speed:.0f} a second on {done.device}), "
        f"{(confidence > 0.5).mean():.0%} with a confidence above 0.5: {output}"
    )
    if json:
        print_json(
            {
                "particles": done.n_particles,
                "star": output,
                "seconds": seconds,
                "images_per_second": speed,
                "mean_confidence": float(confidence.mean()),
                "mean_correlation": float(correlation.mean()),
                "symmetry": symmetry,
                "device": done.device,
                "seed": seed,
            }
        )
