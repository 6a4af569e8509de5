"""The commands that train many runs, as another program calls them, with real runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_cryoorient.cli.studies import numbers_of
from napari_cryoorient.errors import InputError
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    SimulationSettings,
    draw_simulation,
    write_simulation,
)
from napari_cryoorient.studies.progress import Estimate
from support.command_line import TINY, call


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stack")
    simulation = draw_simulation(demo_density(32, 8.0), SimulationSettings(n=11, microscope=None))
    return write_simulation(simulation, folder)


def test_cross_validation_of_a_real_stack_tests_every_particle_once(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["cross-validate", stack, "--map", stack.parent / "map.mrc", "-o", tmp_path / "c"]
    given += [*TINY, "--steps", 2, "--folds", 2, "--w-values", "0.4", "--jobs", 2, "--json"]
    status, out, err = call(capsys, *given)
    assert status == 0, err
    answer = json.loads(out.strip().splitlines()[-1])
    assert sorted(run["n_test"] for run in answer["runs"]) == [5, 6]
    assert answer["best"]["n_tested"] == 11
    assert "2 runs of about" in err
    records = sorted((tmp_path / "c" / "runs").glob("*/run.json"))
    before = [path.read_text() for path in records]
    status, out, err = call(capsys, *given)
    assert status == 0, err
    assert "2 of 2 runs are finished already" in err
    assert [path.read_text() for path in records] == before  # nothing was trained again
    status, _, err = call(capsys, *given, "--symmetry", "D2")
    assert status == 2
    assert "symmetry not given, now D2" in err


def test_ctrl_c_ends_a_sweep_within_a_second_and_keeps_its_run(stack: Path, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    command = ["-m", "napari_cryoorient", "sweep", stack, "--map", stack.parent / "map.mrc"]
    process = subprocess.Popen(
        [sys.executable, *map(str, command), "-o", str(folder), *TINY, "--steps", "5000"],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
    )
    run = folder / "runs" / "w0.00"
    while not (run / "metrics.jsonl").is_file():
        assert process.poll() is None
        time.sleep(0.1)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert time.monotonic() - began < 2.0  # a second, and the end of the interpreter
    assert process.stderr is not None
    err = process.stderr.read()
    assert "the same command continues" in err
    assert "Traceback" not in err
    assert json.loads((folder / "study.json").read_text())["state"] == "stopped"
    deadline = time.monotonic() + 10  # the run may still be saving
    while json.loads((run / "run.json").read_text())["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert json.loads((run / "run.json").read_text())["state"] == "stopped"
    assert (run / "checkpoint.pt").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "--w-values", "0.5,1.5"], "--w-values"),
        (["sweep", "--w-values", "0:1:0"], "--w-values"),
        (["sweep", "--steps", "3", "--minutes", "1"], "leave one of them out"),
        (["sweep", "--test-fraction", "1.0"], "--test-fraction"),
        (["cross-validate", "--folds", "1"], "--folds"),
        (["representation-study", "--representations", "euler"], "'euler'"),
        (["representation-study", "--learning-rates", "much"], "--learning-rates"),
        (
            ["representation-study", "--preset", "paper", "--representations", "distribution"],
            "leave distribution out",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_flags_are_status_2_and_make_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    command, *flags = arguments
    given = [command, "a.star", "--map", "m.mrc", "-o", tmp_path / "s", *flags]
    status, _, err = call(capsys, *given)
    assert status == 2
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_a_bad_ratio_of_the_noise_study_names_its_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call(
        capsys, "noise-study", "m.mrc", "-o", tmp_path / "s", "--snr-values", "1,-2"
    )
    assert status == 2
    assert "--snr-values '-2'" in err


def test_a_range_holds_both_ends_and_round_numbers() -> None:
    values = numbers_of("0:1:0.1", "--w-values", 0.0, 1.0)
    assert values == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert numbers_of("0.8, 1", "--w-values", 0.0, 1.0) == [0.8, 1.0]
    with pytest.raises(InputError, match="start, end and step"):
        numbers_of("", "--w-values", 0.0, 1.0)


def test_the_cost_is_said_in_one_sentence() -> None:
    estimate = Estimate(n_runs=11, run_s=240.0, left_s=2640.0, workers=("CPU",))
    said = estimate.sentence()
    assert said == "11 runs of about 4 min 00 s: 44 min 00 s on this CPU"
    two = Estimate(n_runs=11, run_s=240.0, left_s=1320.0, workers=("GPU 0", "GPU 1"))
    assert two.sentence().endswith("22 min 00 s on GPU 0, GPU 1")
