"""Training and prediction as another program calls them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_cryoorient.cli import main
from napari_cryoorient.cli.settings_flags import build_settings
from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    SimulationSettings,
    draw_simulation,
    write_simulation,
)
from support.command_line import TINY, call


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stack")
    density = demo_density(32, 8.0)
    simulation = draw_simulation(density, SimulationSettings(n=12, microscope=None))
    return write_simulation(simulation, folder)


def test_train_then_predict_then_evaluate(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    given = ["train", stack, "--map", stack.parent / "map.mrc", "-o", run, *TINY]
    status, out, err = call(capsys, *given, "--steps", 2, "--w", 0.3, "--json")
    assert status == 0, err
    answer = json.loads(out.strip().splitlines()[-1])
    assert (answer["state"], answer["step"], answer["w"]) == ("finished", 2, 0.3)
    assert Path(answer["poses"]).is_file()
    assert "Training (steps): 2/2" in err

    again = call(capsys, *given)
    assert again[0] == 2
    assert "--resume" in again[2]
    status, out, err = call(capsys, *given[:6], "--resume", "--steps", 3, "--json")
    assert status == 0, err
    assert json.loads(out.strip().splitlines()[-1])["w"] == 0.3  # as the run was set
    assert "Resumed after step 2" in err

    status, out, err = call(
        capsys, "predict", stack, "--run", run, "-o", tmp_path / "p.star", "--json"
    )
    assert status == 0, err
    assert json.loads(out.strip().splitlines()[-1])["particles"] == 12
    status, out, _ = call(capsys, "evaluate", tmp_path / "p.star", run / "poses.star", "--json")
    assert json.loads(out.strip().splitlines()[-1])["median_deg"] < 0.01
    compared = ["evaluate", run / "poses.star", stack, "--json"]
    status, out, err = call(capsys, *compared, "--run", run)
    assert status == 0, err
    assert json.loads(out.strip().splitlines()[-1])["n"] == 2  # a fifth of twelve
    assert call(capsys, *compared, "--run", tmp_path)[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--w", "1.5"],
        ["--w", "much"],
        ["--preset", "quick"],
        ["--test-fraction", "1.0"],
        ["--minutes", "0"],
        ["--box", "31"],
        ["--symmetry", "Q7"],
    ],
    ids=" ".join,
)
def test_settings_out_of_bounds_are_status_2(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    status, _, err = call(
        capsys,
        *["train", stack, "--map", stack.parent / "map.mrc", "-o", tmp_path / "run"],
        *[*TINY, "--steps", "1", *arguments],
    )
    assert status == 2
    assert "Traceback" not in err


def test_a_bound_that_only_the_model_knows_names_the_flag() -> None:
    with pytest.raises(InputError, match="--test-fraction"):
        build_settings(TrainConfig, {"test_fraction": 1.0})


def test_predict_from_a_folder_without_a_run_is_status_2(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call(capsys, "predict", stack, "--run", tmp_path, "-o", tmp_path / "p.star")
    assert status == 2
    assert "checkpoint" in err
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_keeps_a_run_that_can_go_on(stack: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["-m", "napari_cryoorient", "train", stack, "--map", stack.parent / "map.mrc"]
    process = subprocess.Popen(
        [sys.executable, *map(str, command), "-o", str(run), *TINY, "--steps", "5000"],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
    )
    while not (run / "metrics.jsonl").is_file():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(2)
    assert process.wait(timeout=60) == 130
    assert process.stderr is not None
    err = process.stderr.read()
    assert "--resume" in err
    assert "Traceback" not in err
    assert json.loads((run / "run.json").read_text())["state"] == "stopped"
    assert (run / "checkpoint.pt").is_file()


def test_steps_and_minutes_exclude_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--steps", "2", "--minutes", "1", "-o", str(tmp_path / "run")]
    assert main(["train", "a.star", "--map", "m.mrc", *asked]) == 2
    assert "leave one of them out" in capsys.readouterr().err
