"""``noise-study``: the same particles at falling signal-to-noise ratios."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cryoorient.cli import options, studies
from napari_cryoorient.cli.files import SIMULATED_FILES, STUDY_FILES, Reads, Writes
from napari_cryoorient.cli.settings_flags import with_settings
from napari_cryoorient.cli.simulate import parse_snr
from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError

if TYPE_CHECKING:
    from napari_cryoorient.studies.study import StudyResult

SUMMARY = "Train on the same particles at falling signal-to-noise ratios."


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
        Writes(inside=(*STUDY_FILES, *(f"data/*/{name}" for name in SIMULATED_FILES))),
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
    values = [parse_snr(part.strip(), "--snr-values") for part in snr_values.split(",") if part]
    if not values:
        raise InputError("--snr-values is empty: give some, such as none,1.0,0.1.")
    config = studies.check_settings(settings)

    from napari_cryoorient.device import choose_device
    from napari_cryoorient.io.maps import is_model_path, read_map
    from napari_cryoorient.memory import refuse_simulating_beyond
    from napari_cryoorient.simulation.simulate import Microscope, SimulationSettings, working_map
    from napari_cryoorient.studies.job import TrainingCommand
    from napari_cryoorient.studies.noise import noise_study

    box = config.box
    refuse_simulating_beyond(n, box, choose_device(config.device))
    original = read_map(
        map_path, pixel_size_angstrom=pixel_size, box=box if is_model_path(map_path) else None
    )
    simulation = SimulationSettings(
        n=n,
        microscope=Microscope() if ctf else None,
        shift_sigma_angstrom=shift_sigma,
        seed=config.seed,
    )
    training = TrainingCommand(map_path, map_path, settings)
    study = noise_study(output, working_map(original, box, lowpass), simulation, training, values)
    studies.carry_out(
        study,
        device=config.device,
        n_jobs=jobs,
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
