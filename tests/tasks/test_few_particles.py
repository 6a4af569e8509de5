"""One, two or three particles: all that is no training works."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.cli import main
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.particles import ArrayImages, ParticleSet
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.stack.pairing import measure_contrast


@pytest.fixture(params=[1, 2, 3])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch) -> Path:
    write_map(demo_density(32, 8.0), tmp_path / "input.mrc")
    monkeypatch.chdir(tmp_path)
    assert main(f"simulate input.mrc -o . --n {request.param} --snr 1 --seed 3".split()) == 0
    return tmp_path


def test_commands_take_few_particles(folder: Path):
    n = len(read_particles("particles.star")[0])
    for line in (
        "search particles.star --map map.mrc -o found.star",
        "refine found.star --map map.mrc -o refined.star",
        "evaluate refined.star particles.star --map map.mrc",
        "reconstruct particles.star -o made.mrc",
        "project map.mrc refined.star -o projections.mrcs --ctf",
        "export refined.star -o out.star",
        "export refined.star -o dgn --format cryodrgn",
        "fsc made.mrc map.mrc --mask auto",
    ):
        assert main(line.split()) == 0, line
    assert len(read_particles("refined.star")[0]) == n
    assert np.isfinite(read_map("made.mrc").voxels).all()


def test_training_takes_two_and_says_so_of_one(folder: Path, capsys):
    n = len(read_particles("particles.star")[0])
    line = "train particles.star --map map.mrc -o run --steps 1"
    assert main(line.split()) == (2 if n == 1 else 0)
    if n == 1:
        assert "at least 2" in capsys.readouterr().err
        assert not Path("run").exists()
        return
    assert main(["predict", "particles.star", "--run", "run", "-o", "predicted.star"]) == 0
    for written in ("run/poses.star", "predicted.star"):
        poses = read_particles(written)[0].poses
        assert poses is not None
        assert len(poses) == n
        assert np.isfinite(poses.rotations).all()


def test_rounds_say_how_many_they_want_before_they_begin(folder: Path, capsys):
    assert (
        main(["iterate", "particles.star", "--map", "map.mrc", "-o", "rounds", "--rounds", "1"])
        == 2
    )
    assert "20 particles at least" in capsys.readouterr().err
    assert not Path("rounds").exists()


def test_the_sign_of_a_few_noisy_images_is_not_clear():
    density = demo_density(32, 8.0)
    for seed in range(20):
        noise = np.random.default_rng(seed).standard_normal((2, 32, 32)).astype(np.float32)
        stack = ParticleSet(ArrayImages(noise, 8.0), None, None, np.zeros(2, dtype=np.int64))
        contrast = measure_contrast(density, stack)
        assert not contrast.is_clear
        assert math.isfinite(contrast.standard_errors)
