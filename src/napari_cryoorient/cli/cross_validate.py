"""``cross-validate``: every particle tested once, for each w."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cryoorient.cli import options, studies
from napari_cryoorient.cli.settings_flags import with_settings
from napari_cryoorient.cli.spreading import is_only_shown, spread_settings
from napari_cryoorient.cli.sweep import WValues
from napari_cryoorient.config import SpreadConfig, TrainConfig
from napari_cryoorient.settings import W_VALUES

if TYPE_CHECKING:
    from napari_cryoorient.studies.study import StudyResult

SUMMARY = "Five-fold cross-validation over w."


@with_settings(SpreadConfig, leave_out={"parts"})
@with_settings(TrainConfig, leave_out={"w", "n_folds", "fold", "test_fraction"})
def run(
    star_path: options.StarPath,
    map_path: options.MapPath,
    output: studies.Output,
    folds: Annotated[
        int, typer.Option(min=2, metavar="K", help="Parts that the particles are split into.")
    ] = 5,
    w_values: WValues = W_VALUES,
    jobs: studies.Jobs = None,
    only_estimate: studies.OnlyEstimate = False,
    resume: studies.Resume = True,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Train on all parts of the stack but one, and test on that one, for each part and each w.

    Mean and spread over the parts are in summary.csv and rmse.png (the paper's figure 5), losses
    and RMSE with bands in curves-w0.80.png and so on (figures 6 and 7).
    """
    spreading = spread_settings(settings)
    if is_only_shown(spreading):
        return
    values = studies.w_values_of(w_values)
    config = studies.check_settings(settings)

    from napari_cryoorient.studies.cross_validation import cross_validation_study
    from napari_cryoorient.studies.job import TrainingCommand

    training = TrainingCommand(star_path, map_path, settings, project_dir, pixel_size)
    studies.carry_out(
        cross_validation_study(output, training, values, folds),
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
        f"Best w: {best['w']:g} (relative RMSE {best['test_relative_rmse_mean']:.3f} "
        f"\N{PLUS-MINUS SIGN} {best['test_relative_rmse_sd']:.3f} over {best['n_folds']} folds, "
        f"{best['n_tested']} particles tested)"
    )
