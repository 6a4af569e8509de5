"""The noise study's stacks: one truth, growing noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io.star import read_particles
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import SimulationSettings
from napari_cryoorient.studies.job import TrainingCommand
from napari_cryoorient.studies.noise import noise_study
from napari_cryoorient.studies.study import run_study
from napari_cryoorient.studies.workers import Stopper, Worker
from support.stand_in_trainer import stand_in

N = 40


def test_only_the_noise_differs_and_is_as_strong_as_stated(
    training: TrainingCommand, tmp_path: Path
) -> None:
    simulation = SimulationSettings(n=N, shift_sigma_angstrom=2.0)
    training = TrainingCommand(training.map, training.map, {"device": "cpu"})
    study = noise_study(
        tmp_path / "n", demo_density(24, 8.0), simulation, training, [0.1, None, 0.5]
    )
    result = run_study(study, [Worker("CPU")], command=stand_in)
    assert [row["snr"] for row in result.rows] == [None, 0.5, 0.1]  # from clean to noisy
    stacks = {
        name: read_particles(study.folder / "data" / name / "particles.star")[0]
        for name in ("noiseless", "snr0.5", "snr0.1")
    }
    images = {name: stack.images.read(np.arange(N)) for name, stack in stacks.items()}
    clean = images["noiseless"]
    signal = clean.var(axis=(1, 2)).mean()
    for name, snr in (("snr0.5", 0.5), ("snr0.1", 0.1)):
        poses, true = stacks[name].poses, stacks["noiseless"].poses
        assert poses is not None
        assert true is not None
        np.testing.assert_allclose(poses.rotations, true.rotations)
        noise = images[name] - clean
        assert signal / noise.var() == pytest.approx(snr, rel=0.05)
    pattern = images["snr0.1"] - clean
    other = images["snr0.5"] - clean
    assert np.corrcoef(pattern.ravel(), other.ravel())[0, 1] > 0.999
    for name in ("rmse.png", "examples.png", "projections-snr0.1.png"):
        assert (study.folder / name).is_file()


def test_stacks_that_are_there_are_not_made_again(
    training: TrainingCommand, tmp_path: Path
) -> None:
    training = TrainingCommand(training.map, training.map, {"device": "cpu"})

    def study_again() -> list[tuple[float, float]]:
        made: list[tuple[float, float]] = []
        study = noise_study(
            tmp_path / "n", demo_density(16, 8.0), SimulationSettings(n=20), training, [None, 1.0]
        )
        reporter = Reporter(progress=lambda done, total, **_: made.append((done, total)))
        run_study(study, [Worker("CPU")], command=stand_in, reporter=reporter)
        return made

    assert study_again() != []
    assert study_again() == []


def test_stopping_while_stacks_are_made_leaves_no_half(
    training: TrainingCommand, tmp_path: Path
) -> None:
    training = TrainingCommand(training.map, training.map, {"device": "cpu"})
    study = noise_study(
        tmp_path / "n", demo_density(16, 8.0), SimulationSettings(n=20), training, [None, 1.0]
    )
    stopper = Stopper()
    stopper.ask()
    with pytest.raises(KeyboardInterrupt):
        run_study(study, [Worker("CPU")], command=stand_in, stopper=stopper)
    assert not list((study.folder / "data").rglob("particles.*"))
