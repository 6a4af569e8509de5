"""``train``: a run folder from a particle stack and a map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.layout import RUN_FILES

SUMMARY = "Train a network on a particle stack and a reference map."


@with_settings(TrainConfig)
def run(
    star_path: options.StarPath,
    map_path: options.MapPath,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="RUN", help="Run folder."),
        Writes(inside=RUN_FILES),
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder, as it was set.")
    ] = False,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Train, test on held-out particles, and predict the whole stack, all into one run folder.

    Ctrl-C stops within a second and keeps the run, which --resume continues.
    """
    if settings.get("steps") is not None and settings.get("minutes") is not None:
        raise InputError("--steps and --minutes are both given: leave one of them out.")
    if resume:
        settings = settings_of_run(output) | settings
    config = build_settings(TrainConfig, settings)

    from napari_cryoorient.runs.reader import RunReader
    from napari_cryoorient.tasks.train import run_training, speaks_to_user

    if not speaks_to_user():
        run_training(
            config,
            star_path,
            map_path,
            output,
            resume,
            project_dir=project_dir,
            map_pixel_size_angstrom=pixel_size,
        )
        return
    with progress("Preparing") as bar:
        try:
            run_training(
                config,
                star_path,
                map_path,
                output,
                resume,
                project_dir=project_dir,
                map_pixel_size_angstrom=pixel_size,
                reporter=bar.reporter,
            )
        except KeyboardInterrupt:
            bar.say(f"Stopped; the run in {output} can go on with --resume.")
            raise
    reader = RunReader(output)
    status, (lines, _) = reader.status(), reader.new_metrics()
    last = lines[-1] if lines else {}
    print(f"{status.state}: {output}")
    if json:
        poses = output / layout.POSES
        facts = {"run": output, "state": status.state, "reason": status.reason}
        print_json(facts | {"poses": poses if poses.is_file() else None} | last)


def settings_of_run(folder: Path) -> dict[str, Any]:
    """Return the settings a run was started with; none where there is no run."""
    from napari_cryoorient.runs.reader import RunReader

    record, known = RunReader(folder).run(), TrainConfig.model_fields
    config = {} if record is None else record.config
    return {name: value for name, value in config.items() if name in known and value is not None}
