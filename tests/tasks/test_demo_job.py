"""The main job from beginning to end, small: every file is there, and says the same thing."""

import json
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.tasks.demo import DemoResult, DemoSettings, run_demo

SMALL = DemoSettings(
    n_train=40, n_held_out=20, box=32, pixel_size_angstrom=8.0, minutes=0.02, device="cpu"
)
FILES = {
    "map.mrc",
    "particles.mrcs",
    "particles.star",
    "train.star",
    "held-out.star",
    "poses.star",
    "run",
    "curves.png",
    "errors.png",
    "projections.png",
    "summary.json",
    "demo.json",
}


def do(folder: Path) -> tuple[DemoResult, set[str]]:
    """Run the job; return its result and the parts it told of."""
    parts: set[str] = set()
    result = run_demo(folder, SMALL, Reporter(step=parts.add))
    return result, parts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def done(folder: Path) -> tuple[DemoResult, set[str]]:
    return do(folder)


def test_every_file_is_there_and_every_part_was_told(
    folder: Path, done: tuple[DemoResult, set[str]]
) -> None:
    result, parts = done
    assert {p.name for p in folder.iterdir()} == FILES
    assert parts == {"Simulating", "Training (s)", "Predicting", "Held-out"}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary == pytest.approx(result.summary)
    assert summary["n"] == 20
    assert 0 <= summary["median_deg"] <= 180
    assert summary["images_per_second"] > 0


def test_held_out_particles_are_told_without_their_poses(
    folder: Path, done: tuple[DemoResult, set[str]]
) -> None:
    held_out, _ = read_particles(folder / "held-out.star")
    trained, _ = read_particles(folder / "train.star")
    assert held_out.poses is None
    assert held_out.ctf is not None
    assert not set(held_out.names) & set(trained.names)
    predicted = read_pose_table(folder / "poses.star")
    assert predicted.names == held_out.names
    assert predicted.poses is not None
    np.testing.assert_allclose(
        predicted.poses.rotations @ predicted.poses.rotations.transpose(0, 2, 1),
        np.tile(np.eye(3), (20, 1, 1)),
        atol=1e-4,
    )


def test_the_job_can_be_done_again_in_its_folder(
    folder: Path, done: tuple[DemoResult, set[str]]
) -> None:
    do(folder)
    assert {p.name for p in folder.iterdir()} == FILES


def test_a_folder_with_files_of_its_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"weeks of work")
    with pytest.raises(InputError, match="not of a demo"):
        do(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "checkpoint.pt"]
