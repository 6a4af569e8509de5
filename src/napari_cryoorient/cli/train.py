"""``train``: a run folder from a particle stack and a map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.cli.spreading import is_only_shown, spread_settings
from napari_cryoorient.config import SpreadConfig, TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.layout import RUN_FILES

if TYPE_CHECKING:
    from napari_cryoorient.studies.job import Job

SUMMARY = "Train a network on a particle stack and a reference map."


@with_settings(SpreadConfig, leave_out={"parts", "workers"})
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
    spreading = spread_settings(settings)
    if is_only_shown(spreading):
        return
    if settings.get("steps") is not None and settings.get("minutes") is not None:
        raise InputError("--steps and --minutes are both given: leave one of them out.")
    given = settings
    if resume:
        settings = settings_of_run(output) | settings
    config = build_settings(TrainConfig, settings)

    if spreading.is_spread:
        from napari_cryoorient.studies.job import TrainingCommand

        asked = TrainingCommand(star_path, map_path, given, project_dir, pixel_size)
        train_elsewhere(asked.job(output.name, output.parent, {}), spreading, resume)
        tell_end(output, json)
        return
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
    tell_end(output, json)


def train_elsewhere(job: Job, spreading: SpreadConfig, resume: bool) -> None:
    """Have a run trained by a worker of a cluster, and follow it."""
    from napari_cryoorient.cluster.workers import executor_of
    from napari_cryoorient.runs.folder import check_folder
    from napari_cryoorient.studies.remote import train_there

    check_folder(job.folder, resume)
    with progress("Training") as bar, executor_of(spreading, bar.say) as executor:
        try:
            train_there(job, executor, bar.reporter)
        except KeyboardInterrupt:
            bar.say(f"Stopped; the run in {job.folder} can go on with --resume.")
            raise


def tell_end(output: Path, json: bool) -> None:
    """Say how a run ended."""
    from napari_cryoorient.runs.reader import RunReader

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
