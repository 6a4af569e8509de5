"""``train --from``: what a run takes from another, what it says of it, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.tasks.train import run_training
from napari_cryoorient.training.loop import Cadence

pytestmark = pytest.mark.usefixtures("tiny_network")
EVERY_STEP = Cadence(report_s=0.0, checkpoint_s=0.0, preview_s=0.0, test_s=0.0, spare_part=1e9)
NOW = {"device": "cpu", "precision": "float32", "steps": 1, "batch_size": 4}


@pytest.fixture
def first(files, paper_config, tmp_path: Path) -> Path:
    run = tmp_path / "first"
    run_training(paper_config(w=0.3, symmetry="D2", steps=2), files.star, files.map, run)
    return run


def smoothed(files, folder: Path) -> Path:
    path = folder / "smoothed.mrc"
    write_map(DensityMap(files.density.voxels * 0.5, files.density.pixel_size_angstrom), path)
    return path


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoint.pt", weights_only=True)["network"]


def test_settings_and_weights_come_from_the_run_and_the_record_says_so(
    files, first: Path, tmp_path: Path
):
    run, told = tmp_path / "second", []
    config = TrainConfig(from_run=str(first), learning_rate=1e-12, weight_decay=0.0, **NOW)
    run_training(
        config, files.star, smoothed(files, tmp_path), run, reporter=Reporter(say=told.append)
    )
    record = json.loads((run / "run.json").read_text())
    assert record["fine_tuned_from"] == {
        "run": str(first.resolve()),
        "step": 2,
        "map": str(files.map.resolve()),
        "star": str(files.star.resolve()),
    }
    taken = {key: record["config"][key] for key in ("preset", "symmetry", "box", "w")}
    assert taken == {"preset": "paper", "symmetry": "D2", "box": 24, "w": 0.3}
    assert record["config"]["from_run"] == str(first.resolve())
    assert any("starts from the weights" in line for line in told)
    assert not any("ImageNet" in line for line in told)
    for name, value in weights(run).items():
        torch.testing.assert_close(value, weights(first)[name], atol=1e-9, rtol=0.0)
    assert RunReader(run).status().state == "finished"


def test_what_is_given_wins(files, first: Path, tmp_path: Path):
    config = TrainConfig(from_run=str(first), w=0.9, **NOW)
    run_training(config, files.star, files.map, tmp_path / "second")
    assert json.loads((tmp_path / "second" / "run.json").read_text())["config"]["w"] == 0.9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preset": "fast"}, "trained with preset paper"),
        ({"symmetry": "C1"}, "trained with symmetry D2"),
        ({"box": 16}, "box was 24, now 16"),
        ({"weights": "vgg.pth"}, "both name a start"),
        ({"from_run": "nowhere"}, "no run in nowhere"),
    ],
)
def test_what_does_not_fit_is_refused(files, first: Path, tmp_path: Path, changes, words):
    config = TrainConfig(**({"from_run": str(first), **NOW} | changes))
    with pytest.raises(InputError, match=words):
        run_training(config, files.star, files.map, tmp_path / "second")
    assert not (tmp_path / "second" / "poses.star").exists()


def test_a_stopped_one_resumes_without_the_run_it_came_from(files, first: Path, tmp_path: Path):
    run = tmp_path / "second"

    def stop(progress) -> None:
        if progress.phase == "training" and progress.done == 2:
            RunReader(run).ask(stop=True)

    config = TrainConfig(from_run=str(first), **(NOW | {"steps": 4000}))
    run_training(config, files.star, files.map, run, cadence=EVERY_STEP, watch=stop)
    assert RunReader(run).status().state == "stopped"
    again = TrainConfig(from_run=str(tmp_path), **NOW)
    with pytest.raises(InputError, match="was started from"):
        run_training(again, files.star, files.map, run, resume=True)
    first.rename(tmp_path / "moved")
    step = weights_step(run)
    run_training(TrainConfig(steps=step + 1), files.star, files.map, run, resume=True)
    record = json.loads((run / "run.json").read_text())
    assert record["state"] == "finished"
    assert record["fine_tuned_from"]["run"] == str(first.resolve())


def weights_step(run: Path) -> int:
    return int(torch.load(run / "checkpoint.pt", weights_only=True)["step"])
