"""``demo``: the main job on made data, in minutes on a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.evaluate import table_of
from napari_cryoorient.cli.files import DEMO_FILES, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.screen import can_draw_unseen, has_screen, picture_of
from napari_cryoorient.errors import InputError
from napari_cryoorient.reporting import format_duration

SUMMARY = "Simulate, train, predict and measure, on a particle made from code."


def run(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="DIR", help="Folder for all that is made."),
        Writes(inside=DEMO_FILES),
    ] = Path("demo-output"),
    headless: Annotated[
        bool, typer.Option("--headless", help="Open no napari window at the end.")
    ] = False,
    minutes: Annotated[
        float, typer.Option(min=0.01, metavar="MIN", help="How long to train.")
    ] = 3.4,
    particles: Annotated[
        int, typer.Option(min=20, metavar="N", help="Particles to learn from.")
    ] = 2000,
    snr: Annotated[float, typer.Option(min=1e-4, help="Signal-to-noise ratio.")] = 0.1,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Make a particle and its images, train on them, and predict particles never seen.

    Writes map, stack, run folder, poses.star, curves.png, projections.png, errors.png and
    summary.json. At the end napari opens with the finished run; with --headless, or where there is
    no screen, a picture of that is saved as napari.png, if napari and Xvfb are installed.
    """
    from napari_cryoorient.tasks.demo import DemoSettings, run_demo

    settings = DemoSettings(
        n_train=particles,
        n_held_out=max(particles // 4, 20),
        snr=snr,
        minutes=minutes,
        seed=seed,
        device=device,
    )
    with progress("Demo") as bar:
        result = run_demo(output, settings, bar.reporter)
    print(table_of(result.summary))
    print(f"{result.summary['images_per_second']:.0f} images a second predicted")
    print(f"{format_duration(result.summary['seconds'])} in all; pictures and files: {output}")
    _show(output / "run", output / "napari.png", headless=headless)
    if json:
        print_json(result.summary | {"folder": output})


def _show(run_dir: Path, picture: Path, *, headless: bool) -> None:
    """End in napari with the run open, or with a picture of that, and say which it is."""
    from napari_cryoorient.viewer.qt_binding import window_problem

    problem = window_problem()
    if problem:
        print(f"{problem} The pictures in the folder show the result.")
    elif not headless and has_screen():
        from napari_cryoorient.viewer.window import open_window

        print("napari opens with the finished run; close its window to end.", flush=True)
        open_window(run_dir)
    elif can_draw_unseen():
        try:
            picture_of(run_dir, picture)
            print(f"A picture of napari with the finished run: {picture}")
        except InputError as error:
            print(f"No picture of napari: {error}")
    else:
        print(
            "No picture of napari: there is no virtual screen (Xvfb) here; "
            f"napari-cryoorient view {run_dir} opens it where there is a screen."
        )
