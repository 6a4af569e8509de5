"""``reconstruct``: a map from a particle stack with poses."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.fsc import describe_crossings, write_curves
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.errors import InputError

SUMMARY = "Reconstruct a map from particles with poses."


def run(
    star_path: Annotated[
        Path,
        typer.Argument(metavar="STAR", help="Particle STAR file with poses."),
        Reads("particles"),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT.mrc", help="Map to write."),
        Writes(
            beside=(
                *("{stem}_half1{suffix}", "{stem}_half2{suffix}"),
                *("{stem}_fsc.csv", "{stem}_fsc.png"),
            ),
            holds="images",
        ),
    ],
    poses_path: Annotated[
        Path | None,
        typer.Option("--poses", metavar="STAR", help="Take the poses of this STAR file instead."),
        Reads("particles"),
    ] = None,
    symmetry: options.Symmetry = "C1",
    half_maps: Annotated[
        bool,
        typer.Option(
            "--half-maps",
            help="Also write OUT_half1.mrc, OUT_half2.mrc and their FSC (OUT_fsc.csv, .png).",
        ),
    ] = False,
    subset: Annotated[
        Literal["all", "1", "2"],
        typer.Option(help="Reconstruct one half-set alone."),
    ] = "all",
    max_resolution: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="A", help="Finest detail entered. [default: Nyquist]"),
    ] = None,
    ctf: Annotated[
        bool, typer.Option("--ctf/--no-ctf", help="Weigh by the CTF that the STAR file gives.")
    ] = True,
    weigh_by_confidence: Annotated[
        bool,
        typer.Option(
            "--weigh-by-confidence", help="Weigh particles by their rlnParticleFigureOfMerit."
        ),
    ] = False,
    exact_symmetry: Annotated[
        bool,
        typer.Option(
            "--exact-symmetry",
            help="Enter every equivalent pose where turning the sums would interpolate.",
        ),
    ] = False,
    invert_contrast: Annotated[
        Literal["auto", "yes", "no"],
        typer.Option(help="Negate the map; auto does it where the molecule is clearly dark."),
    ] = "auto",
    project_dir: options.ProjectDir = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Back-project every image in Fourier space, weighted by its CTF, at all equivalent poses.

    Half-sets are those of rlnRandomSubset, or drawn with --seed.
    """
    from napari_cryoorient.tasks.reconstruct import reconstruct_star

    began = time.monotonic()
    with progress("Reconstructing") as advance:
        done = reconstruct_star(
            star_path,
            output,
            poses_path=poses_path,
            symmetry=symmetry,
            half_maps=half_maps,
            subset=None if subset == "all" else int(subset),
            max_resolution_angstrom=max_resolution,
            with_ctf=ctf,
            weigh_by_confidence=weigh_by_confidence,
            exact_symmetry=exact_symmetry,
            invert_contrast=invert_contrast,
            seed=seed,
            device=device,
            project_dir=project_dir,
            progress=advance,
            say=advance.say,
        )
    if done.path is None:
        raise InputError(f"The reconstruction was stopped; {output} was not written.")
    seconds = time.monotonic() - began
    speed = done.n_images / max(seconds, 1e-9)
    print(f"{done.n_images} particles ({speed:.0f} a second on {done.device}): {output}")
    results: dict[str, Any] = {
        "map": output,
        "particles": done.n_images,
        "symmetry": symmetry,
        "negated": done.is_negated,
        "seconds": seconds,
        "images_per_second": speed,
        "device": done.device,
        "seed": seed,
    }
    if done.fsc is not None:
        print("Half-maps, no mask: " + describe_crossings(done.fsc))
        print("This is a gold-standard FSC only if each half-set was aligned by itself.")
        stem = output.with_name(f"{output.stem}_fsc")
        results |= write_curves(
            done.fsc, stem.with_suffix(".csv"), stem.with_suffix(".png"), "half-maps"
        )
        results |= {"half_maps": [str(path) for path in done.half_paths]}
    if json:
        print_json(results)
