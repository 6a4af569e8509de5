"""``predict``: poses of every particle of a stack, from a trained run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.cli.spreading import is_only_shown, spread_as, spread_settings
from napari_cryoorient.config import PredictConfig, SpreadConfig
from napari_cryoorient.runs import layout

SUMMARY = "Predict the poses of a particle stack with a trained run."


@with_settings(SpreadConfig)
@with_settings(PredictConfig)
def run(
    star_path: options.StarPath,
    run_dir: Annotated[
        Path,
        typer.Option("--run", metavar="RUN", help="Run folder with a checkpoint."),
        Reads("run"),
    ],
    output: options.PosesOutput,
    map_path: options.OptionalMapPath = None,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Predict poses; all rows and columns of the STAR file are kept, poses replaced.

    A confidence, where the network gives one, goes to rlnParticleFigureOfMerit. --refine takes the
    map the run was trained with, or --map.
    """
    from napari_cryoorient.tasks.predict import predict_star

    spreading = spread_settings(settings)
    if is_only_shown(spreading):
        return
    config = build_settings(PredictConfig, settings)
    began = time.monotonic()
    with (
        progress("Predicting") as advance,
        spread_as(
            spreading,
            "predict",
            config,
            output,
            particles=star_path,
            others={"the network": run_dir / layout.CHECKPOINT, "the map": map_path},
            project_dir=project_dir,
            reporter=advance.reporter,
            map_pixel_size_angstrom=pixel_size,
        ) as spread,
    ):
        done = predict_star(
            star_path,
            run_dir,
            output,
            config,
            map_path=map_path,
            project_dir=project_dir,
            map_pixel_size_angstrom=pixel_size,
            reporter=advance.reporter,
            spread=spread,
        )
    seconds = time.monotonic() - began
    speed = done.n_particles / max(seconds, 1e-9)
    print(f"{done.n_particles} particles ({speed:.0f} a second on {done.device}): {output}")
    if done.n_searched:
        share = done.n_searched / done.n_particles
        print(f"{done.n_searched} of them ({share:.0%}) were searched globally as well.")
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
