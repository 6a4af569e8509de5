"""``reconstruct``: a map from a particle stack with poses."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.fsc import describe_crossings, write_curves
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.cli.spreading import is_only_shown, spread_as, spread_settings
from napari_cryoorient.config import ReconstructConfig, SpreadConfig
from napari_cryoorient.errors import InputError

SUMMARY = "Reconstruct a map from particles with poses."


@with_settings(SpreadConfig)
@with_settings(ReconstructConfig)
def run(
    star_path: options.PosedStarPath,
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
        typer.Option("--poses", metavar="STAR", help="Use the poses of this STAR file instead."),
        Reads("particles"),
    ] = None,
    project_dir: options.ProjectDir = None,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Back-project every image in Fourier space, weighted by its CTF, at all equivalent poses.

    Half-sets are those of rlnRandomSubset, or drawn with --seed.
    """
    from napari_cryoorient.tasks.reconstruct import reconstruct_star

    spreading = spread_settings(settings)
    if is_only_shown(spreading):
        return
    config = build_settings(ReconstructConfig, settings)
    began = time.monotonic()
    with (
        progress("Reconstructing") as advance,
        spread_as(
            spreading,
            "reconstruct",
            config,
            output,
            particles=star_path,
            others={"the poses": poses_path},
            project_dir=project_dir,
            reporter=advance.reporter,
        ) as spread,
    ):
        done = reconstruct_star(
            star_path,
            output,
            config,
            poses_path=poses_path,
            project_dir=project_dir,
            reporter=advance.reporter,
            spread=spread,
        )
    if done.path is None:
        raise InputError(f"The reconstruction was stopped; {output} was not written.")
    seconds = time.monotonic() - began
    speed = done.n_images / max(seconds, 1e-9)
    print(f"{done.n_images} particles ({speed:.0f} a second on {done.device}): {output}")
    results: dict[str, Any] = {
        "map": output,
        "particles": done.n_images,
        "symmetry": config.symmetry,
        "negated": done.is_negated,
        "seconds": seconds,
        "images_per_second": speed,
        "device": done.device,
        "seed": config.seed,
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
