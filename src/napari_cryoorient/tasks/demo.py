"""The main job on made data: simulate, train, predict particles never seen, and measure.

Everything lands in one folder: the made map and stack, ``train.star`` and ``held-out.star`` (the
latter without poses), the run folder ``run``, the predictions ``poses.star``, three pictures and
``summary.json``.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_cryoorient.config import DeviceName, PredictConfig, TrainConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.evaluation import pose_errors, reprojection_rmse
from napari_cryoorient.figures import save_curves, save_error_histogram, save_triptych
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.pose_table import match_rows, read_pose_table
from napari_cryoorient.io.star import read_particles, read_star, write_poses, write_star
from napari_cryoorient.particles import DensityMap, Floats, ImageSource, Integers, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    SimulationSettings,
    draw_simulation,
    project_chunk,
    projector_of,
    write_simulation,
)
from napari_cryoorient.tasks.predict import predict_star
from napari_cryoorient.tasks.train import run_training

POSE_COLUMNS = (
    "rlnAngleRot",
    "rlnAngleTilt",
    "rlnAnglePsi",
    "rlnOriginXAngst",
    "rlnOriginYAngst",
)
N_PICTURED = 8
# Written first: it tells a folder that a demo may use again.
MARK = "demo.json"
MADE = (
    *("map.mrc", "particles.mrcs", "particles.star", "train.star", "held-out.star", "poses.star"),
    *("curves.png", "projections.png", "errors.png", "napari.png", "summary.json"),
)


@dataclass(frozen=True)
class DemoSettings:
    """What to make and for how long to train."""

    n_train: int = 2000
    n_held_out: int = 500
    box: int = 64
    pixel_size_angstrom: float = 4.0
    snr: float = 0.1
    shift_sigma_angstrom: float = 5.0
    minutes: float = 3.4
    symmetry: str = "C1"
    seed: int = 0
    device: DeviceName = "auto"


@dataclass(frozen=True)
class DemoResult:
    """Held-out particles with true and predicted poses, and the figures about them."""

    folder: Path
    density: DensityMap
    images: ImageSource
    true: Poses
    predicted: Poses
    summary: dict[str, Any]


def run_demo(
    folder: Path,
    settings: DemoSettings,
    reporter: Reporter = SILENT,
) -> DemoResult:
    """Do the whole job; an earlier one in ``folder`` is replaced.

    Raises:
        InputError: if another process trains in the folder, or it cannot be written.
        TrainingFailure: if training fails.

    """
    began = time.monotonic()
    _refuse_other_files(folder)
    with atomic_path(folder / MARK) as path:
        path.write_text(json.dumps(asdict(settings), indent=2) + "\n")
    _remove_earlier_run(folder / "run")
    _simulate(folder, settings, reporter)
    config = TrainConfig.model_validate(
        {
            "preset": "fast",
            "minutes": settings.minutes,
            "symmetry": settings.symmetry,
            "test_fraction": 0.1,
            "seed": settings.seed,
            "device": settings.device,
        }
    )
    map_path = folder / "map.mrc"
    run_training(config, folder / "train.star", map_path, folder / "run", reporter=reporter)
    images_per_second = _predict(folder, settings, reporter)
    result = _measure(folder, settings)
    summary = result.summary | {
        "images_per_second": images_per_second,
        "seconds": time.monotonic() - began,
    }
    with atomic_path(folder / "summary.json") as path:
        path.write_text(json.dumps(summary, indent=2) + "\n")
    return replace(result, summary=summary)


def _refuse_other_files(folder: Path) -> None:
    """Raise InputError where the folder has a file that would be replaced, and is of no demo."""
    if (folder / MARK).is_file():
        return
    for name in (*MADE, "run"):
        if (folder / name).exists():
            raise InputError(
                "A file that is not of a demo would be overwritten: name another folder with -o "
                f"than that of {folder / name}."
            )


def _remove_earlier_run(run: Path) -> None:
    """Make room, unless someone is still at it, which the run folder itself will say."""
    if RunReader(run).status().state not in ("absent", "running"):
        shutil.rmtree(run)


def _simulate(folder: Path, settings: DemoSettings, reporter: Reporter) -> None:
    """Write map, stack and the two STAR files."""
    n = settings.n_train + settings.n_held_out
    density = demo_density(
        settings.box, settings.pixel_size_angstrom, seed=settings.seed, symmetry=settings.symmetry
    )
    wanted = SimulationSettings(
        n=n,
        snr=settings.snr,
        shift_sigma_angstrom=settings.shift_sigma_angstrom,
        seed=settings.seed,
    )
    reporter.say(
        f"A particle made from code, {n} images of it: {settings.box} pixels at "
        f"{settings.pixel_size_angstrom:g} A, SNR {settings.snr:g}, CTF, "
        f"shifts of {settings.shift_sigma_angstrom:g} A."
    )
    device = choose_device(settings.device)
    simulation = draw_simulation(density, wanted, device)
    reporter.step("Simulating")
    write_simulation(simulation, folder, device=device, reporter=reporter)
    star = read_star(folder / "particles.star")
    train_rows, held_out_rows = np.split(np.arange(n), [settings.n_train])
    write_poses(star, simulation.poses[train_rows], folder / "train.star", rows=train_rows)
    block = star.block("particles")
    assert block is not None
    table = block.table.iloc[held_out_rows].drop(columns=list(POSE_COLUMNS)).reset_index(drop=True)
    write_star(star.with_block(block.with_table(table)), folder / "held-out.star")


def _predict(folder: Path, settings: DemoSettings, reporter: Reporter) -> float:
    """Predict the held-out particles; return images a second, the first chunk left aside."""
    ticks: list[tuple[float, float]] = [(time.monotonic(), 0)]

    reporter.step("Held-out")
    predict_star(
        folder / "held-out.star",
        folder / "run",
        folder / "poses.star",
        PredictConfig(device=settings.device),
        reporter=Reporter(
            progress=reporter.watched(
                lambda done, _: ticks.append((time.monotonic(), done))
            ).progress
        ),
    )
    first = ticks[1] if len(ticks) > 2 else ticks[0]  # reading the run is in the first chunk's time
    return (ticks[-1][1] - first[1]) / max(ticks[-1][0] - first[0], 1e-9)


def _measure(folder: Path, settings: DemoSettings) -> DemoResult:
    """Compare with the truth, and draw."""
    particles, _ = read_particles(folder / "particles.star")
    table = read_pose_table(folder / "poses.star")
    assert table.poses is not None
    assert particles.poses is not None
    rows, true_rows = match_rows(table.names, particles.names)
    predicted, true = table.poses[rows], particles.poses[true_rows]
    held_out = particles.subset(true_rows)
    density = read_map(folder / "map.mrc")  # what is measured is what is on disk
    projector = projector_of(density, torch.device("cpu"))
    errors = pose_errors(predicted, true, symmetry_matrices(settings.symmetry))
    projections = reprojection_rmse(projector, predicted, true)

    title = (
        f"{len(rows)} held-out particles: median {errors.median_deg:.1f}\N{DEGREE SIGN}, "
        f"{errors.fraction_under_5_deg:.0%} under 5\N{DEGREE SIGN}, "
        f"{errors.fraction_under_10_deg:.0%} under 10\N{DEGREE SIGN}"
    )
    pictured = _spread_over(errors.angles_deg, N_PICTURED)
    save_triptych(
        folder / "projections.png",
        held_out.images.read(pictured),
        project_chunk(projector, true[pictured], None),
        project_chunk(projector, predicted[pictured], None),
        errors.angles_deg[pictured],
        pixel_size_angstrom=density.pixel_size_angstrom,
        title=title + f"; SNR {settings.snr:g}",
        labels=[f"image {true_rows[i] + 1}" for i in pictured],
    )
    lines, _ = RunReader(folder / "run").new_metrics()
    save_curves(folder / "curves.png", lines, title="Training: the fast preset on made data")
    save_error_histogram(folder / "errors.png", errors.angles_deg, title=title)
    summary: dict[str, Any] = errors.summary() | {
        "rmse": projections.rmse,
        "relative_rmse": projections.relative_rmse,
    }
    return DemoResult(folder, density, held_out.images, true, predicted, summary)


def _spread_over(errors_deg: Floats, n: int) -> Integers:
    """Choose particles from the best to nearly the worst, evenly over the ranks."""
    ranks = np.linspace(0.02, 0.98, n) * (len(errors_deg) - 1)
    return np.argsort(errors_deg)[np.rint(ranks).astype(np.int64)]
