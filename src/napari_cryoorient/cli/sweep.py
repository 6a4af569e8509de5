"""``sweep``: a run for each w, and the best of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cryoorient.cli import options, studies
from napari_cryoorient.cli.settings_flags import with_settings
from napari_cryoorient.cli.spreading import is_only_shown, spread_settings
from napari_cryoorient.config import SpreadConfig, TrainConfig
from napari_cryoorient.settings import W_VALUES

if TYPE_CHECKING:
    from napari_cryoorient.studies.study import StudyResult

SUMMARY = "Train for w = 0.0 .. 1.0 and find the best w."
WValues = Annotated[
    str,
    typer.Option(metavar="LIST", help="Values of w, such as 0.1,0.5 or start:end:step."),
]


@with_settings(SpreadConfig, leave_out={"parts"})
@with_settings(TrainConfig, leave_out={"w", "n_folds", "fold"})
def run(
    star_path: options.StarPath,
    map_path: options.MapPath,
    output: studies.Output,
    w_values: WValues = W_VALUES,
    jobs: studies.Jobs = None,
    only_estimate: studies.OnlyEstimate = False,
    resume: studies.Resume = True,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Train one run for each w and compare them on held-out particles (the paper's figure 3).

    Every setting of ``train`` holds for all runs. Each is a process and a run folder of its own,
    one on each GPU at a time. The same command continues a study that was stopped.
    """
    spreading = spread_settings(settings)
    if is_only_shown(spreading):
        return
    values = studies.w_values_of(w_values)
    config = studies.check_settings(settings)

    from napari_cryoorient.studies.job import TrainingCommand
    from napari_cryoorient.studies.sweep import sweep_study

    training = TrainingCommand(star_path, map_path, settings, project_dir, pixel_size)
    studies.carry_out(
        sweep_study(output, training, values),
        device=config.device,
        n_jobs=jobs,
        spreading=spreading,
        resume=resume,
        only_estimate=only_estimate,
        json=json,
        summary=_summary,
    )


def _summary(result: StudyResult) -> str:
    best = result.facts["best"]
    return (
        f"Best w: {best['w']:g} (relative RMSE {best['test_relative_rmse']:.3f}, "
        f"median error {best['angular_error_deg']:.1f}\N{DEGREE SIGN})"
    )
