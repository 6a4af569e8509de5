"""The fast preset through the run folder: resumed to the last bit, and on a stack without poses."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import new_particle_star, read_particles, read_star, write_star
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.tasks.predict import predict_star
from napari_cryoorient.tasks.train import run_training
from napari_cryoorient.training.loop import Cadence

BOX, PIXEL, N = 24, 4.0, 30  # of the fixture
EVERY_STEP = Cadence(report_s=0.0, checkpoint_s=0.0, preview_s=0.0, test_s=0.0, spare_part=1e9)
CONFIG = TrainConfig(steps=5, batch_size=8, device="cpu", precision="float32")


def losses(run: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines}


def test_resumed_fast_run_gives_the_losses_of_a_straight_one(files, tmp_path: Path):
    straight, parts = tmp_path / "straight", tmp_path / "parts"
    run_training(CONFIG, files.star, files.map, straight, cadence=EVERY_STEP)

    def stop(progress) -> None:
        if progress.phase == "training" and progress.done == 2:
            RunReader(parts).ask(stop=True)
            time.sleep(0.1)  # longer than the loop's interval of looking

    run_training(CONFIG, files.star, files.map, parts, cadence=EVERY_STEP, watch=stop)
    assert RunReader(parts).status().state == "stopped"
    run_training(TrainConfig(), files.star, files.map, parts, resume=True, cadence=EVERY_STEP)
    assert RunReader(parts).status().state == "finished"
    assert losses(parts) == losses(straight)
    assert list(losses(parts)) == [1, 2, 3, 4, 5]


def test_stack_without_poses_is_predicted_with_a_confidence(files, tmp_path: Path):
    star = read_star(files.star)
    block = star.block("particles")
    kept = [c for c in block.table.columns if not c.startswith(("rlnAngle", "rlnOrigin"))]
    bare = tmp_path / "bare.star"
    write_star(star.with_block(replace(block, table=block.table[kept])), bare)
    run = tmp_path / "run"
    run_training(CONFIG, bare, files.map, run, cadence=EVERY_STEP)
    written, _ = read_particles(run / "poses.star")
    assert len(written.poses) == 30
    assert "rlnParticleFigureOfMerit" in (run / "poses.star").read_text()
    with np.load(run / "preview.npz") as preview:
        assert set(preview["rows"]) == {-1}
        assert preview["input"].shape == preview["true_projection"].shape


def test_predict_warns_of_a_stack_with_the_opposite_contrast(files, tmp_path: Path):
    run = tmp_path / "run"
    run_training(CONFIG, files.star, files.map, run, cadence=EVERY_STEP)
    said: list[str] = []
    predict_star(files.star, run, tmp_path / "white.star", reporter=Reporter(say=said.append))
    assert not [note for note in said if "contrast" in note]
    with StackWriter(files.star.with_name("dark.mrcs"), N, BOX, PIXEL) as writer:
        writer.append(-files.images)
    dark = new_particle_star("dark.mrcs", files.poses, box=BOX, pixel_size_angstrom=PIXEL)
    write_star(dark, files.star.with_name("dark.star"))
    predict_star(
        files.star.with_name("dark.star"),
        run,
        tmp_path / "dark.star.out",
        reporter=Reporter(say=said.append),
    )
    assert [note for note in said if "contrast is the opposite" in note]


def test_predict_refuses_an_output_before_it_works(files, tmp_path: Path, monkeypatch):
    run = tmp_path / "run"
    run_training(CONFIG, files.star, files.map, run, cadence=EVERY_STEP)

    def must_not_be_called(*_: object, **__: object) -> None:
        raise AssertionError("the stack was read before the output was looked at")

    monkeypatch.setattr("napari_cryoorient.tasks.predict.read_particles", must_not_be_called)
    with pytest.raises(InputError, match="is a folder"):
        predict_star(files.star, run, tmp_path)
    with pytest.raises(InputError, match="overwritten"):
        predict_star(files.star, run, files.star)
    assert not list(tmp_path.glob(".*partial"))
