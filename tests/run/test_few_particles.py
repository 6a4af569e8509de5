"""One, two or three particles: all that is no training works."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.cli import main
from napari_cryoorient.demo.density import demo_density
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.particles import ArrayImages, ParticleSet
from napari_cryoorient.run.inputs import measure_contrast


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


def test_training_says_what_it_wants(folder: Path, capsys):
    if len(read_particles("particles.star")[0]) > 1:
        return
    assert main(["train", "particles.star", "--map", "map.mrc", "-o", "run", "--steps", "1"]) == 2
    assert "at least 2" in capsys.readouterr().err


def test_the_sign_of_a_few_noisy_images_is_not_clear():
    density = demo_density(32, 8.0)
    for seed in range(20):
        noise = np.random.default_rng(seed).standard_normal((2, 32, 32)).astype(np.float32)
        stack = ParticleSet(ArrayImages(noise, 8.0), None, None, np.zeros(2, dtype=np.int64))
        contrast = measure_contrast(density, stack)
        assert not contrast.is_clear
        assert math.isfinite(contrast.standard_errors)
