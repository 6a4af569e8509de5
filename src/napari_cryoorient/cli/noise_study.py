"""``noise-study``: the same particles at falling signal-to-noise ratios."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cryoorient.cli import options, studies
from napari_cryoorient.cli.files import STUDY_FILES, Reads, Writes
from napari_cryoorient.cli.settings_flags import with_settings
from napari_cryoorient.cli.simulate import parse_snr
from napari_cryoorient.cli.spreading import is_only_shown, spread_settings
from napari_cryoorient.config import SimulateConfig, SpreadConfig, TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.simulation import layout as simulated

if TYPE_CHECKING:
    from napari_cryoorient.studies.study import StudyResult

SUMMARY = "Train on the same particles at falling signal-to-noise ratios."


@with_settings(SpreadConfig, leave_out={"parts"})
@with_settings(TrainConfig, leave_out={"n_folds", "fold", "labels"})
def run(
    map_path: Annotated[
        Path,
        typer.Argument(metavar="MAP", help="Map or atomic model (mrc, map, PDB, mmCIF, gz)."),
        Reads("map"),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="DIR", help="Folder of the study."),
        Writes(inside=(*STUDY_FILES, *(f"data/*/{name}" for name in simulated.FILES))),
    ],
    snr_values: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Signal-to-noise ratios, of the signal with CTF over the whole image; 'none' is "
            "noiseless.",
        ),
    ] = "none,1.0,0.7,0.4,0.1,0.05",
    n: Annotated[int, typer.Option("--n", min=10, help="How many particles.")] = 2000,
    ctf: Annotated[bool, typer.Option(help="Apply a CTF, as simulate does.")] = True,
    shift_sigma: options.ShiftSigma = 0.0,
    lowpass: options.Lowpass = None,
    jobs: studies.Jobs = None,
    only_estimate: studies.OnlyEstimate = False,
    resume: studies.Resume = True,
    pixel_size: options.PixelSize = None,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Simulate particles at each ratio and train on them (the paper's table 2, figures 8 to 10).

    Poses, CTF and held-out particles are the same at every ratio. --box is that of the images and
    of the training. examples.png shows one particle at every ratio.
    """
    spreading = spread_settings(settings)
    if is_only_shown(spreading):
        return
    values = [parse_snr(part.strip(), "--snr-values") for part in snr_values.split(",") if part]
    if not values:
        raise InputError("--snr-values is empty: give some, such as none,1.0,0.1.")
    config = studies.check_settings(settings)

    from napari_cryoorient.studies.job import TrainingCommand
    from napari_cryoorient.studies.noise import noise_study_of_map

    simulation = SimulateConfig(
        n=n,
        box=config.box,
        ctf=ctf,
        shift_sigma_angstrom=shift_sigma,
        lowpass_angstrom=lowpass,
        device=config.device,
        seed=config.seed,
    )
    study = noise_study_of_map(
        output,
        map_path,
        simulation,
        TrainingCommand(map_path, map_path, settings),
        values,
        map_pixel_size_angstrom=pixel_size,
    )
    studies.carry_out(
        study,
        device=config.device,
        n_jobs=jobs,
        spreading=spreading,
        resume=resume,
        only_estimate=only_estimate,
        json=json,
        summary=_summary,
    )


def _summary(result: StudyResult) -> str:
    rows = [row for row in result.rows if row["test_relative_rmse"] is not None]
    first, last = rows[0], rows[-1]

    def name(snr: float | None) -> str:
        return "without noise" if snr is None else f"at SNR {snr:g}"

    return (
        f"Relative RMSE from {first['test_relative_rmse']:.3f} {name(first['snr'])} to "
        f"{last['test_relative_rmse']:.3f} {name(last['snr'])}"
    )
