"""``reconstruct-sweep`` on a sweep's folder: worse poses, worse maps."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.cli import main
from napari_cryoorient.geometry.rotations import rotation_vector_to_matrix
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.star import read_particles, write_poses
from napari_cryoorient.particles import Poses
from napari_cryoorient.simulation.demo_density import demo_density

Run = Callable[..., tuple[int, str, str]]
N, ERRORS_DEG = 300, {0.0: 25.0, 0.5: 5.0, 1.0: 12.0}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """What ``sweep`` leaves: runs whose poses are off by known angles."""
    write_map(demo_density(32, 8.0), tmp_path / "input.mrc")
    command = ["simulate", tmp_path / "input.mrc", "-o", tmp_path / "sim", "--n", N]
    assert main([str(word) for word in command]) == 0
    star_path = tmp_path / "sim" / "particles.star"
    particles, star = read_particles(star_path)
    generator = torch.Generator().manual_seed(0)
    runs = []
    for w, degrees in ERRORS_DEG.items():
        here = tmp_path / "sweep" / "runs" / f"w{w:.2f}"
        here.mkdir(parents=True)
        axes = torch.randn(N, 3, generator=generator, dtype=torch.float64)
        turns = rotation_vector_to_matrix(axes / axes.norm(dim=1)[:, None] * math.radians(degrees))
        rotations = turns.numpy() @ particles.poses.rotations
        write_poses(star, Poses(rotations, particles.poses.shifts_angstrom), here / "poses.star")
        np.savez(here / "split.npz", train_rows=np.arange(50, N), test_rows=np.arange(50))
        runs.append({"name": f"w{w:.2f}", "folder": f"runs/w{w:.2f}", "w": w})
    settings = {"star": str(star_path), "map": str(tmp_path / "sim" / "map.mrc")}
    settings |= {"project_dir": None, "training": {}}
    record = {"kind": "sweep", "settings": settings, "runs": runs}
    (tmp_path / "sweep" / "study.json").write_text(json.dumps(record))
    return tmp_path / "sweep"


def test_maps_follow_the_errors_of_the_poses(run: Run, sweep: Path):
    status, out, err = run("reconstruct-sweep", sweep, "--all-particles", "--json")
    assert status == 0, err
    rows = {row["poses"]: row for row in json.loads(out.splitlines()[-1])["reconstructions"]}
    assert rows["true"]["true_0.5_angstrom"] is None
    true, best, middle, worst = (
        rows[name]["map_0.5_angstrom"] or 16.0 for name in ("true", "w0.50", "w1.00", "w0.00")
    )
    assert true <= best < middle < worst
    folder = sweep / "reconstructions-all"
    with (folder / "table.csv").open() as file:
        assert [row["poses"] for row in csv.DictReader(file)] == ["true", "w0.00", "w0.50", "w1.00"]
    assert (folder / "fsc.png").stat().st_size > 1000
    # Maps are kept when the command is given again.
    before = (folder / "w0.50.mrc").stat().st_mtime_ns
    assert run("reconstruct-sweep", sweep, "--all-particles")[0] == 0
    assert (folder / "w0.50.mrc").stat().st_mtime_ns == before


def test_held_out_particles_and_chosen_runs_alone(run: Run, sweep: Path):
    status, _, err = run("reconstruct-sweep", sweep, "--w-values", "0.5")
    assert status == 0
    assert "50/50" in err
    names = {path.name for path in (sweep / "reconstructions").glob("*.mrc")}
    assert names == {"true.mrc", "w0.50.mrc"}


def test_what_is_no_sweep_is_refused(run: Run, tmp_path: Path):
    status, _, err = run("reconstruct-sweep", tmp_path)
    assert status == 2
    assert "holds no sweep" in err
