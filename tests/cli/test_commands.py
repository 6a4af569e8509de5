"""Every command as another program calls it: exit status, streams, files."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.io.stacks import MrcStackCollection
from napari_cryoorient.io.star import read_star, write_poses
from napari_cryoorient.simulation.demo_density import demo_density

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def map_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "map.mrc"
    write_map(demo_density(24, 10.0), path)
    return path


def last_json(out: str) -> dict[str, object]:
    answer: dict[str, object] = json.loads(out.strip().splitlines()[-1])
    return answer


def test_help_is_quick_and_loads_neither_torch_nor_napari() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "napari_cryoorient", "simulate", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "napari", "matplotlib", "scipy", "pandas", "mrcfile", "gemmi"}
    assert "--shift-sigma" in done.stdout


def test_help_names_every_command(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    for name in ("simulate", "train", "predict", "evaluate", "project", "demo", "view"):
        assert f"  {name} " in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate"],
        ["simulat"],
        ["simulate", "no-such.mrc", "-o", "out"],
        ["simulate", "MAP", "-o", "out", "--snr", "loud"],
        ["simulate", "MAP", "-o", "out", "--snr", "-1"],
        ["simulate", "MAP", "-o", "out", "--n", "0"],
        ["simulate", "MAP", "-o", "out", "--n", "many"],
        ["simulate", "MAP", "-o", "out", "--box", "17"],
        ["simulate", "MAP", "-o", "out", "--box", "4000000"],
        ["simulate", "MAP", "-o", "out", "--lowpass", "5"],
        ["simulate", "MAP", "-o", "out", "--symmetry", "Q9"],
        ["simulate", "MAP", "-o", "out", "--device", "abacus"],
        ["simulate", "MAP", "-o", "out", "--seed", "-1"],
        ["simulate", "MAP", "-o", "MAP"],
        ["project", "MAP", "no-such.star", "-o", "out.mrcs"],
        ["project", "MAP", "MAP", "-o", "out.mrcs"],
    ],
    ids=" ".join,
)
def test_bad_input_is_one_sentence_status_2_and_no_file(
    run: Run,
    map_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*(map_path if argument == "MAP" else argument for argument in arguments))
    assert status == 2
    assert out == ""
    sentences = [line for line in err.splitlines() if line.startswith("napari-cryoorient: ")]
    assert len(sentences) == 1
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_simulate_writes_stack_poses_and_map(run: Run, map_path: Path, tmp_path: Path) -> None:
    status, out, err = run(
        "simulate", map_path, "-o", tmp_path / "sim", "--n", 7, "--box", 16, "--snr", 0.5, "--json"
    )
    assert status == 0, err
    answer = last_json(out)
    assert answer["particles"] == 7
    assert answer["pixel_size_angstrom"] == pytest.approx(15.0)
    assert sorted(p.name for p in (tmp_path / "sim").iterdir()) == [
        "map.mrc",
        "particles.mrcs",
        "particles.star",
    ]
    assert read_map(tmp_path / "sim/map.mrc").box == 16


@pytest.mark.parametrize("ctf", ["--ctf", "--no-ctf"])
def test_project_gives_the_noiseless_simulation(
    run: Run, map_path: Path, tmp_path: Path, ctf: str
) -> None:
    folder = tmp_path / "sim"
    run("simulate", map_path, "-o", folder, "--n", 5, "--shift-sigma", 8, ctf, "--snr", "inf")
    flag = ["--ctf"] if ctf == "--ctf" else []
    status, _, err = run(
        "project", folder / "map.mrc", folder / "particles.star", "-o", tmp_path / "p.mrcs", *flag
    )
    assert status == 0, err
    images, projections = (
        MrcStackCollection.of_one(path, 10.0).read(np.arange(5))
        for path in (folder / "particles.mrcs", tmp_path / "p.mrcs")
    )
    np.testing.assert_allclose(images, projections, atol=1e-4 * images.std())


def test_project_needs_no_images(run: Run, map_path: Path, tmp_path: Path) -> None:
    run("simulate", map_path, "-o", tmp_path, "--n", 3)
    (tmp_path / "particles.mrcs").unlink()
    status, _, err = run(
        "project", map_path, tmp_path / "particles.star", "-o", tmp_path / "new.mrcs"
    )
    assert status == 0, err


def test_project_says_what_a_star_without_ctf_lacks(
    run: Run, map_path: Path, tmp_path: Path
) -> None:
    run("simulate", map_path, "-o", tmp_path, "--n", 3, "--no-ctf")
    star = tmp_path / "particles.star"
    status, _, err = run("project", map_path, star, "-o", tmp_path / "new.mrcs", "--ctf")
    assert status == 2
    assert "gives nothing for --ctf: no CTF: the STAR lacks rlnDefocusU" in err
    assert "leave --ctf out" in err
    assert not (tmp_path / "new.mrcs").exists()


def test_ctrl_c_is_status_130_and_leaves_nothing_half(map_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sim"
    command = f"-m napari_cryoorient simulate {map_path} -o {folder} --n 500000"
    process = subprocess.Popen(
        [sys.executable, *command.split()],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
    )
    assert process.stderr is not None
    while "particles of" not in process.stderr.readline():
        pass
    while not list(folder.glob(".particles.mrcs*")):
        assert process.poll() is None
    process.send_signal(2)
    assert process.wait(timeout=60) == 130
    said = process.stderr.read()
    assert "Traceback" not in said
    assert "Interrupted" in said
    assert [p.name for p in folder.iterdir()] == []


def rotate_star(path: Path, angle_deg: float, out: Path, rows: np.ndarray | None = None) -> None:
    """Turn every pose by an angle about the beam, and keep some rows, in their order."""
    star, table = read_star(path), read_pose_table(path)
    assert table.poses is not None
    turn = Rotation.from_euler("z", angle_deg, degrees=True).as_matrix()
    poses = replace(table.poses, rotations=turn @ table.poses.rotations)
    rows = np.arange(len(poses)) if rows is None else rows
    write_poses(star, poses[rows], out, rows=rows)


def test_evaluate_pairs_by_name_in_any_order_and_counts_what_is_missing(
    run: Run, map_path: Path, tmp_path: Path
) -> None:
    run("simulate", map_path, "-o", tmp_path, "--n", 20)
    star = tmp_path / "particles.star"
    rotate_star(star, 7.0, tmp_path / "turned.star", np.arange(19, 4, -1))
    status, out, err = run("evaluate", tmp_path / "turned.star", star, "--map", map_path, "--json")
    assert status == 0, err
    answer = last_json(out)
    assert answer["n"] == 15
    assert answer["only_in_true"] == 5
    assert "5 particles are in" in err
    assert answer["median_deg"] == pytest.approx(7.0, abs=1e-3)
    assert (answer["fraction_under_5_deg"], answer["fraction_under_10_deg"]) == (0.0, 1.0)
    assert answer["shift_rms_angstrom"] == pytest.approx(0.0, abs=1e-6)
    relative = answer["relative_rmse"]
    assert isinstance(relative, float)
    assert 0.05 < relative < 0.8
    assert "7.00\N{DEGREE SIGN}" in out


def test_evaluate_of_a_file_against_itself_is_perfect(
    run: Run, map_path: Path, tmp_path: Path
) -> None:
    run("simulate", map_path, "-o", tmp_path, "--n", 4)
    star = tmp_path / "particles.star"
    answer = last_json(run("evaluate", star, star, "--map", map_path, "--json")[1])
    assert answer["mean_deg"] == pytest.approx(0.0, abs=1e-4)
    assert answer["relative_rmse"] == pytest.approx(0.0, abs=1e-6)


def test_evaluate_under_a_symmetry_takes_equivalent_poses_as_equal(
    run: Run, map_path: Path, tmp_path: Path
) -> None:
    run("simulate", map_path, "-o", tmp_path, "--n", 4)
    star = tmp_path / "particles.star"
    table = read_pose_table(star)
    assert table.poses is not None
    half_turn = np.diag([-1.0, -1.0, 1.0])
    turned = replace(table.poses, rotations=table.poses.rotations @ half_turn)
    write_poses(read_star(star), turned, tmp_path / "turned.star")
    answers = [
        last_json(run("evaluate", tmp_path / "turned.star", star, "--symmetry", s, "--json")[1])
        for s in ("C1", "D2")
    ]
    assert answers[0]["median_deg"] == pytest.approx(180.0, abs=1e-2)
    assert answers[1]["median_deg"] == pytest.approx(0.0, abs=1e-2)


def test_evaluate_refuses_files_of_different_stacks(
    run: Run, map_path: Path, tmp_path: Path
) -> None:
    run("simulate", map_path, "-o", tmp_path, "--n", 4)
    star = tmp_path / "particles.star"
    other = tmp_path / "other.star"
    other.write_text(star.read_text().replace("particles.mrcs", "others.mrcs"))
    status, _, err = run("evaluate", other, star)
    assert status == 2
    assert "others.mrcs" in err


def test_degrees_and_angstrom_end_no_run_on_an_ascii_terminal(
    run: Run, map_path: Path, tmp_path: Path
) -> None:
    run("simulate", map_path, "-o", tmp_path, "--n", 3)
    star = str(tmp_path / "particles.star")
    done = subprocess.run(
        [sys.executable, "-m", "napari_cryoorient", "evaluate", star, star],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"},
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "median angular error" in done.stdout


def test_memory_that_runs_out_is_a_sentence(
    run: Run, map_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(*_: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 TB")

    monkeypatch.setattr("napari_cryoorient.tasks.simulate.draw_simulation", exhaust)
    status, _, err = run("simulate", map_path, "-o", tmp_path / "sim")
    assert status == 1
    assert "Memory ran out" in err


def test_json_ends_a_failure_with_its_sentence_too(
    run: Run, map_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["simulate", map_path, "-o", tmp_path / "sim", "--json"]
    status, out, err = run(*given, "--box", 17)
    assert status == 2
    answer = last_json(out)
    assert answer["status"] == 2
    assert "even" in str(answer["error"])
    assert str(answer["error"]) in err
    assert last_json(run("simulate", "--json")[1])["status"] == 2

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_cryoorient.tasks.simulate.draw_simulation", interrupt)
    status, out, _ = run(*given)
    assert (status, last_json(out)["status"]) == (130, 130)


@pytest.mark.parametrize("command", ["evaluate", "project", "view"])
def test_a_seed_of_nothing_random_says_so(run: Run, command: str) -> None:
    assert "no effect here" in " ".join(run(command, "--help")[1].split())
