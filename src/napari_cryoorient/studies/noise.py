"""The same particles at falling signal-to-noise ratios (Lian et al. 2022, table 2).

Poses, contrast transfer and the pattern of the noise are the same at every ratio; the noise alone
grows.  The ratio is the one ``simulate`` states: variance of the signal with CTF over the whole
image, over that of the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from napari_cryoorient.config import SimulateConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.memory import refuse_simulating_beyond
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.simulation import layout
from napari_cryoorient.simulation.simulate import (
    SimulationSettings,
    draw_simulation,
    write_simulation,
)
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.studies.job import TrainingCommand
from napari_cryoorient.studies.pictures import save_examples, save_figure_against_snr, save_preview
from napari_cryoorient.studies.results import Row, best_of, finished
from napari_cryoorient.studies.study import Study
from napari_cryoorient.studies.workers import Stopper
from napari_cryoorient.tasks.simulate import settings_of, working_map_of

SNR_VALUES: tuple[float | None, ...] = (None, 1.0, 0.7, 0.4, 0.1, 0.05)


def noise_study_of_map(
    folder: Path,
    map_path: Path,
    config: SimulateConfig,
    training: TrainingCommand,
    snr_values: Sequence[float | None],
    *,
    map_pixel_size_angstrom: float | None = None,
) -> Study:
    """Read the map, or make one of a model, and make its study; raises InputError."""
    settings = settings_of(config)
    refuse_simulating_beyond(settings.n, config.box, choose_device(config.device))
    density, _ = working_map_of(map_path, config, map_pixel_size_angstrom)
    return noise_study(folder, density, settings, training, snr_values)


def noise_study(
    folder: Path,
    density: DensityMap,
    simulation: SimulationSettings,
    training: TrainingCommand,
    snr_values: Sequence[float | None],
) -> Study:
    """Make the study: DIR/data/snr0.40 (a stack each), DIR/runs/snr0.40, ``rmse.png``, ...

    ``density`` is the working map, at the box of the images; ``training`` names the map it came
    from, for its settings only: every run has its own stack and map.  None is noiseless.
    """
    values = sorted(set(snr_values), key=lambda snr: (snr is not None, -(snr or 0.0)))
    jobs = []
    for snr in values:
        name = name_of(snr)
        data = folder / "data" / name
        own = replace(training, star=data / layout.STAR, map=data / layout.MAP)
        jobs.append(own.job(name, folder / "runs", {"snr": snr}))

    def prepare(reporter: Reporter, stopper: Stopper) -> None:
        device = choose_device(str(training.settings.get("device", "auto")))
        reporter.step("Simulating")
        for index, snr in enumerate(values):
            data = folder / "data" / name_of(snr)
            if (data / layout.STAR).is_file():  # written last, so the rest is there
                continue

            drawn = draw_simulation(density, replace(simulation, snr=snr), device)
            part = reporter.part(index * simulation.n, len(values) * simulation.n)
            part = replace(part, should_stop=lambda: stopper.is_asked)
            try:
                write_simulation(drawn, data, device=device, reporter=part)
            except Stopped:
                raise KeyboardInterrupt from None

    described = {
        **{k: v for k, v in training.described().items() if not k.startswith("star")},
        "simulation": {k: v for k, v in asdict(simulation).items() if k != "snr"},
        "simulated_box": density.box,
        "simulated_pixel_size_angstrom": density.pixel_size_angstrom,
    }
    return Study("noise-study", folder, described, tuple(jobs), summarise, prepare)


def name_of(snr: float | None) -> str:
    """Return the name of a ratio's run and stack: "noiseless", "snr0.4"."""
    return "noiseless" if snr is None else f"snr{snr:g}"


def summarise(study: Study, rows: list[Row]) -> dict[str, Any]:
    """Draw RMSE and angular error against the ratio, one particle at all, and several at each."""
    done = finished(rows)
    save_figure_against_snr(study.folder / "rmse.png", done)
    jobs = {job.name: job for job in study.jobs}
    examples = [(label_of(row["snr"]), jobs[row["name"]]) for row in done]
    save_examples(study.folder / "examples.png", examples)
    for label, job in examples:
        save_preview(study.folder / f"projections-{job.name}.png", job, title=label)
    return {"best": best_of(rows)}


def label_of(snr: float | None) -> str:
    """Return what stands over a column of pictures."""
    return "noiseless" if snr is None else f"SNR {snr:g}"
