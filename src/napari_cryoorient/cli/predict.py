"""``predict``: poses of every particle of a stack, from a trained run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress

SUMMARY = "Predict the poses of a particle stack with a trained run."


def run(
    star_path: options.StarPath,
    run_dir: Annotated[
        Path,
        typer.Option("--run", metavar="RUN", help="Run folder with a checkpoint."),
        Reads("run"),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT", help=options.OUTPUT_HELP),
        Writes(holds="poses"),
    ],
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, metavar="IMAGES", help="Images at once. [default: by the device]"),
    ] = None,
    refine: Annotated[
        bool,
        typer.Option(
            "--refine/--no-refine",
            help="Refine the poses against the map, searching globally for doubtful particles.",
        ),
    ] = False,
    search: Annotated[
        bool,
        typer.Option(
            "--search/--no-search",
            help="With --refine, search globally for doubtful particles. Without it each pose is "
            "climbed from alone, which shows what the network itself found.",
        ),
    ] = True,
    hypotheses: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Compare each image with the K likeliest of the search's views to the network (64 "
            "is a good start) and refine the best, instead of one pose; --refine is implied. With "
            "--no-search nothing else is tried.",
        ),
    ] = None,
    map_path: options.OptionalMapPath = None,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Predict poses; all rows and columns of the STAR file are kept, poses replaced.

    A confidence, where the network gives one, goes to rlnParticleFigureOfMerit. --refine takes the
    map the run was trained with, or --map.
    """
    from napari_cryoorient.tasks.predict import predict_star

    began = time.monotonic()
    with progress("Predicting") as advance:
        done = predict_star(
            star_path,
            run_dir,
            output,
            device=device,
            project_dir=project_dir,
            batch_size=batch_size,
            refine=refine,
            searches=search,
            n_hypotheses=hypotheses,
            map_path=map_path,
            map_pixel_size_angstrom=pixel_size,
            progress=advance,
            begin=advance.restart,
            say=advance.say,
        )
    seconds = time.monotonic() - began
    speed = done.n_particles / max(seconds, 1e-9)
    print(f"{done.n_particles} particles ({speed:.0f} a second on {done.device}): {output}")
    if done.n_searched:
        share = done.n_searched / done.n_particles
        print(
            f"{done.n_searched} of them ({share:.0%}) were searched anew, whatever was predicted."
        )
    if json:
        print_json(
            {
                "particles": done.n_particles,
                "star": output,
                "seconds": seconds,
                "images_per_second": speed,
                "device": done.device,
                "n_searched": done.n_searched,
            }
        )
