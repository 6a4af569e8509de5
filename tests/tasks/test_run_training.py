from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.config import PredictConfig, TrainConfig
from napari_cryoorient.errors import InputError, TrainingFailure
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import read_particles, read_star, write_poses, write_star
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.runs.folder import RunFolder
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.stack.batches import Batch
from napari_cryoorient.tasks.predict import predict_star
from napari_cryoorient.tasks.train import run_training
from napari_cryoorient.training.loop import Cadence
from napari_cryoorient.training.paper import PaperRecipe

pytestmark = pytest.mark.usefixtures("tiny_network")
EVERY_STEP = Cadence(report_s=0.0, checkpoint_s=0.0, preview_s=0.0, test_s=0.0, spare_part=1e9)


def metrics_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_finished_run_holds_every_file_of_the_design(files, paper_config, tmp_path: Path):
    run = tmp_path / "run"
    told: list[str] = []
    seen: list[str] = []
    run_training(
        paper_config(),
        files.star,
        files.map,
        run,
        cadence=EVERY_STEP,
        reporter=Reporter(say=told.append),
        watch=lambda p: seen.append(p.phase),
    )
    assert {p.name for p in run.iterdir()} == {
        *("run.json", "metrics.jsonl", "preview.npz", "control.json"),
        *("checkpoint.pt", "poses.star", "log.txt", "split.npz"),
    }
    record = json.loads((run / "run.json").read_text())
    assert record["state"] == "finished"
    assert record["config"]["learning_rate"] == 5e-5
    assert record["device"]["type"] == "cpu"
    assert record["inputs"]["n_particles"] == 30
    assert record["inputs"]["n_test"] == 6
    assert set(record["versions"]) >= {"torch", "napari-cryoorient"}
    assert any("Computing on cpu" in line for line in told)
    assert any("Contrast: as it should be" in line for line in told)
    assert set(seen) == {"training", "predicting"}
    line = metrics_of(run)[-1]
    assert line["step"] == 6
    assert set(line) >= {
        *("step", "seconds", "w", "loss", "qd", "reprojection", "learning_rate"),
        *("train_rmse", "test_rmse", "train_relative_rmse", "test_relative_rmse"),
        *("angular_error_deg", "images_per_second", "time_left_s"),
    }
    with np.load(run / "preview.npz") as preview:
        assert preview["input"].shape == (6, 24, 24)
        assert preview["input"].shape == preview["predicted_projection"].shape
    torch.load(run / "checkpoint.pt", weights_only=True)


def test_poses_cover_the_whole_stack_and_agree_with_predict(files, paper_config, tmp_path):
    run = tmp_path / "run"
    run_training(paper_config(), files.star, files.map, run)
    written, _ = read_particles(run / "poses.star", project_dir=files.star.parent)
    assert len(written) == 30
    # The paper takes shifts as known.
    np.testing.assert_allclose(
        written.poses.shifts_angstrom, files.poses.shifts_angstrom, atol=1e-5
    )
    result = predict_star(
        files.star, run, tmp_path / "again.star", PredictConfig(device="cpu", batch_size=7)
    )
    assert result.predicted is not None
    np.testing.assert_allclose(result.predicted.rotations, written.poses.rotations, atol=1e-5)
    assert (tmp_path / "again.star").is_file()


def test_resume_of_a_stopped_run_gives_the_losses_of_a_straight_one(
    files, paper_config, tmp_path: Path
):
    straight, parts = tmp_path / "straight", tmp_path / "parts"
    run_training(paper_config(), files.star, files.map, straight, cadence=EVERY_STEP)

    def stop_after_three(progress) -> None:
        if progress.phase == "training" and progress.done == 3:
            RunReader(parts).ask(stop=True)

    run_training(
        paper_config(steps=6),
        files.star,
        files.map,
        parts,
        cadence=EVERY_STEP,
        watch=_slowly(stop_after_three),
    )
    record = json.loads((parts / "run.json").read_text())
    assert record["state"] == "stopped"
    assert json.loads((parts / "control.json").read_text())["stop"] is False
    before = [line["step"] for line in metrics_of(parts)]
    assert 3 <= before[-1] < 6
    assert not (parts / "poses.star").exists()

    # Only what is named now replaces the settings the run was started with.
    run_training(
        TrainConfig(preset="paper"), files.star, files.map, parts, resume=True, cadence=EVERY_STEP
    )
    assert json.loads((parts / "run.json").read_text())["state"] == "finished"
    wanted = {m["step"]: m["loss"] for m in metrics_of(straight)}
    found = {m["step"]: m["loss"] for m in metrics_of(parts)}
    assert found == wanted


def _slowly(callback):
    """Give the control file's polling interval time to pass between reports."""

    def wrapped(progress) -> None:
        callback(progress)
        time.sleep(0.08)

    return wrapped


def test_w_is_moved_while_the_run_goes_on(files, paper_config, tmp_path: Path):
    run = tmp_path / "run"

    def move(progress) -> None:
        if progress.phase == "training" and progress.done == 2:
            RunReader(run).ask(w=0.25)

    run_training(
        paper_config(w=1.0),
        files.star,
        files.map,
        run,
        cadence=EVERY_STEP,
        watch=_slowly(move),
    )
    by_step = {m["step"]: m["w"] for m in metrics_of(run)}
    assert by_step[1] == 1.0
    assert by_step[6] == 0.25


@pytest.fixture
def usual_interrupts() -> Iterator[None]:
    """Make Ctrl-C raise KeyboardInterrupt, whatever other tests of this process left behind."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_interrupts")
def test_interrupt_saves_and_is_passed_on(files, paper_config, tmp_path: Path):
    run = tmp_path / "run"

    def interrupt(progress) -> None:
        if progress.phase == "training" and progress.done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_training(
            paper_config(), files.star, files.map, run, cadence=EVERY_STEP, watch=interrupt
        )
    assert json.loads((run / "run.json").read_text())["state"] == "stopped"
    assert torch.load(run / "checkpoint.pt", weights_only=True)["step"] >= 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_second_run_does_not_overwrite_the_first(files, paper_config, tmp_path: Path):
    run = tmp_path / "run"
    run_training(paper_config(steps=1), files.star, files.map, run)
    before = (run / "run.json").read_text()
    with pytest.raises(InputError, match="already holds a run"):
        run_training(paper_config(steps=1), files.star, files.map, run)
    assert (run / "run.json").read_text() == before
    with pytest.raises(InputError, match="no run to resume"):
        run_training(paper_config(), files.star, files.map, tmp_path / "other", resume=True)
    assert not (tmp_path / "other").exists()


def test_failure_is_written_with_its_reason(files, paper_config, tmp_path: Path, monkeypatch):
    whole = PaperRecipe.batch

    def poisoned(recipe: PaperRecipe, step: int) -> Batch:
        batch = whole(recipe, step)
        return batch if step < 3 else replace(batch, images=batch.images * float("nan"))

    monkeypatch.setattr(PaperRecipe, "batch", poisoned)
    run = tmp_path / "run"
    with pytest.raises(TrainingFailure, match="--learning-rate"):
        run_training(paper_config(), files.star, files.map, run, cadence=EVERY_STEP)
    record = json.loads((run / "run.json").read_text())
    assert record["state"] == "failed"
    assert "nan" in record["reason"]
    assert record["reason"] in (run / "log.txt").read_text()
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    assert state["step"] == 3
    assert all(v.isfinite().all() for v in state["network"].values())


@pytest.mark.parametrize("invert_contrast", ["auto", "no", "yes"])
def test_dark_particles_are_noticed(files, paper_config, tmp_path: Path, invert_contrast: str):
    with StackWriter(files.star.parent / "particles.mrcs", 30, 24, 4.0) as writer:
        writer.append(-files.images)
    run, told = tmp_path / "run", []
    run_training(
        paper_config(steps=1, invert_contrast=invert_contrast),
        files.star,
        files.map,
        run,
        reporter=Reporter(say=told.append),
    )
    record = json.loads((run / "run.json").read_text())
    assert record["inputs"]["is_negated"] is (invert_contrast != "no")
    assert record["inputs"]["contrast_correlation"] < -0.9
    if invert_contrast != "yes":
        assert any("WARNING: contrast is inverted" in line for line in told)
    with np.load(run / "preview.npz") as preview:
        sign = np.corrcoef(preview["input"].ravel(), preview["true_projection"].ravel())[0, 1]
    assert np.sign(sign) == (-1 if invert_contrast == "no" else 1)


def test_stack_without_poses_learns_from_projections_of_the_map(
    files, paper_config, tmp_path: Path
):
    star = read_star(files.star)
    block = star.block("particles")
    columns = [c for c in block.table.columns if not c.startswith(("rlnAngle", "rlnOrigin"))]
    bare = tmp_path / "bare.star"
    write_star(star.with_block(replace(block, table=block.table[columns])), bare)
    with pytest.raises(InputError, match="--labels simulated"):
        run_training(paper_config(labels="star"), bare, files.map, tmp_path / "refused")
    run = tmp_path / "run"
    run_training(paper_config(steps=2, labels="simulated"), bare, files.map, run)
    record = json.loads((run / "run.json").read_text())
    assert record["state"] == "finished"
    assert record["inputs"]["contrast_correlation"] > 0.5
    with np.load(run / "preview.npz") as preview:
        assert set(preview["rows"]) == {-1}
    written, _ = read_particles(run / "poses.star", project_dir=files.star.parent)
    assert written.poses is not None


def test_resume_with_another_stack_is_refused(files, paper_config, tmp_path: Path):
    run = tmp_path / "run"
    run_training(paper_config(steps=1), files.star, files.map, run)
    fewer = tmp_path / "fewer.star"
    write_poses(read_star(files.star), files.poses[:20], fewer, rows=np.arange(20))
    with pytest.raises(InputError, match="another stack or map"):
        run_training(paper_config(steps=2), fewer, files.map, run, resume=True)
    assert json.loads((run / "run.json").read_text())["state"] == "finished"


def test_resume_notices_other_files_of_the_same_name_and_size(files, paper_config, tmp_path: Path):
    run, stack = tmp_path / "run", files.star.with_name("particles.mrcs")
    run_training(paper_config(steps=1), files.star, files.map, run)
    once, kept = stack.read_bytes(), (run / "checkpoint.pt").read_bytes()

    def resume(steps: int) -> list[str]:
        said: list[str] = []
        config = paper_config(steps=steps)
        run_training(
            config, files.star, files.map, run, resume=True, reporter=Reporter(say=said.append)
        )
        return [sentence for sentence in said if "rewritten" in sentence]

    one_image = 1024 + 4 * files.images[0].size
    turned_over = once[:1024] + once[one_image:] + once[1024:one_image]
    for other in (turned_over, once + b"more"):
        stack.write_bytes(other)
        with pytest.raises(InputError, match="stacks changed since"):
            resume(2)
    stack.write_bytes(once)
    density = files.map.read_bytes()
    files.map.write_bytes(density[:-4] + b"\0\0\0\1")
    with pytest.raises(InputError, match="the map changed since"):
        resume(2)
    files.map.write_bytes(density)
    names = files.star.read_text()
    files.star.write_text(names.replace("000001@", "000002@"))
    with pytest.raises(InputError, match="the image names"):
        resume(2)
    files.star.write_text(names)
    assert (run / "checkpoint.pt").read_bytes() == kept
    assert len(resume(2)) == 1  # the same images, in a file rewritten
    assert resume(3) == []


def test_unknown_symmetry_is_refused_before_the_folder_is_made(files, paper_config, tmp_path):
    with pytest.raises(InputError, match="Q7"):
        run_training(paper_config(symmetry="Q7"), files.star, files.map, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_run_that_failed_at_once_leaves_neither_itself_nor_its_w_in_the_way(
    files, paper_config, tmp_path: Path
):
    run = tmp_path / "run"
    with pytest.raises(InputError, match="representation"):
        run_training(paper_config(w=0.9, representation="distribution"), files.star, files.map, run)
    run_training(paper_config(w=0.3, steps=1), files.star, files.map, run)
    assert metrics_of(run)[-1]["w"] == 0.3


def test_symmetry_that_the_map_lacks_is_doubted(files, paper_config, tmp_path: Path):
    said: list[str] = []
    config = paper_config(steps=1, symmetry="D7")
    run_training(
        config, files.star, files.map, tmp_path / "run", reporter=Reporter(say=said.append)
    )
    assert any("the map is not D7" in sentence for sentence in said)


@pytest.mark.usefixtures("usual_interrupts")
def test_interrupt_while_preparing_does_not_wait(files, paper_config, tmp_path, monkeypatch):
    def slow(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("went on after the interrupt")

    monkeypatch.setattr("napari_cryoorient.tasks.training_phases.make_recipe", slow)
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run_training(paper_config(), files.star, files.map, run)
    assert json.loads((run / "run.json").read_text())["state"] == "stopped"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_folder_that_holds_a_run_is_refused_before_anything_is_read(files, paper_config, tmp_path):
    run = tmp_path / "run"
    RunFolder(run, resume=False, config={}).close("stopped")
    (run / "checkpoint.pt").write_bytes(b"something to lose")
    files.star.write_text("no STAR file any more")
    with pytest.raises(InputError, match="already holds a run"):
        run_training(paper_config(), files.star, files.map, run)
    with pytest.raises(InputError, match="no run to resume"):
        run_training(paper_config(), files.star, files.map, tmp_path / "other", resume=True)


def test_every_step_is_one_line(files, paper_config, tmp_path: Path):
    run = tmp_path / "run"
    run_training(paper_config(steps=4), files.star, files.map, run, cadence=EVERY_STEP)
    lines = metrics_of(run)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert lines[-1]["n_test"] == 6


def test_a_time_limit_says_that_it_moves_no_schedule(files, paper_config, tmp_path: Path):
    told: list[str] = []
    config = paper_config(steps=None, minutes=1e-4)
    run_training(
        config, files.star, files.map, tmp_path / "run", reporter=Reporter(say=told.append)
    )
    assert any("step 1600 of 2000" in sentence for sentence in told)
