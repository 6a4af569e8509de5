"""``representation-study``: quaternion, axis-angle and 6D at several learning rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from napari_cryoorient.cli import options, studies
from napari_cryoorient.cli.settings_flags import with_settings
from napari_cryoorient.cli.spreading import is_only_shown, spread_settings
from napari_cryoorient.cli.sweep import WValues
from napari_cryoorient.config import PRESETS, Representation, SpreadConfig, TrainConfig
from napari_cryoorient.errors import InputError

if TYPE_CHECKING:
    from napari_cryoorient.studies.study import StudyResult

SUMMARY = "Compare representations of rotations and learning rates."


@with_settings(SpreadConfig, leave_out={"parts"})
@with_settings(TrainConfig, leave_out={"w", "representation", "learning_rate", "n_folds", "fold"})
def run(
    star_path: options.StarPath,
    map_path: options.MapPath,
    output: studies.Output,
    representations: Annotated[
        str, typer.Option(metavar="LIST", help="What the network regresses, of train's choices.")
    ] = "quaternion,axis-angle,6d",
    learning_rates: Annotated[
        str, typer.Option(metavar="LIST", help="Learning rates; the paper's are those of Adam.")
    ] = "1e-4,5e-5,1e-5",
    w_values: WValues = "0.8,1.0",
    jobs: studies.Jobs = None,
    only_estimate: studies.OnlyEstimate = False,
    resume: studies.Resume = True,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Train every representation at every learning rate and w (the paper's table 3)."""
    spreading = spread_settings(settings)
    if is_only_shown(spreading):
        return
    rates = studies.numbers_of(learning_rates, "--learning-rates", 1e-9, 1.0)
    values = studies.w_values_of(w_values)
    names = [name.strip() for name in representations.split(",") if name.strip()]
    config = studies.check_settings(settings)
    for name in names or [""]:
        if name not in get_args(Representation):
            raise InputError(
                f"--representations {name!r}: choose from {', '.join(get_args(Representation))}."
            )
        if name not in PRESETS[config.preset].representations:
            raise InputError(
                f"The network of --preset {config.preset} gives "
                f"{', '.join(PRESETS[config.preset].representations)}: leave {name} out of "
                "--representations, or choose another --preset."
            )

    from napari_cryoorient.studies.job import TrainingCommand
    from napari_cryoorient.studies.representation import representation_study

    training = TrainingCommand(star_path, map_path, settings, project_dir, pixel_size)
    studies.carry_out(
        representation_study(output, training, names, rates, values),
        device=config.device,
        n_jobs=jobs,
        spreading=spreading,
        resume=resume,
        only_estimate=only_estimate,
        json=json,
        summary=_summary,
    )


def _summary(result: StudyResult) -> str:
    return "\n".join(
        f"Best with {name}: relative RMSE {best['test_relative_rmse']:.3f} "
        f"(w {best['w']:g}, learning rate {best['learning_rate']:g})"
        for name, best in result.facts["best_of_each"].items()
    )
