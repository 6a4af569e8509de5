"""Rounds of label, train, predict, refine, reconstruct: the map gets better, and stops are kept."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.star import read_particles, read_star, write_star
from napari_cryoorient.studies.iterate import stages
from napari_cryoorient.studies.iterate.project import project_folder_of
from napari_cryoorient.studies.iterate.rounds import Round, improves
from napari_cryoorient.studies.iterate.rounds import _why_stop as why_stop
from napari_cryoorient.studies.iterate.stages import Stack
from support.command_line import simulated, without_poses

Run = Callable[..., tuple[int, str, str]]
N = 160


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack without poses, whose image names start from a folder above it."""
    project = tmp_path_factory.mktemp("project")
    folder = project / "Extract"
    simulated(folder, "--n", N, "--snr", 1, "--shift-sigma", 4)
    star = without_poses(read_star(folder / "particles.star"))
    block = star.block("particles")
    table = block.table
    names = [
        name.replace("particles.mrcs", "Extract/particles.mrcs") for name in table.rlnImageName
    ]
    table = table.assign(rlnImageName=names)
    write_star(star.with_block(replace(block, table=table)), folder / "bare.star")
    return folder


def test_rounds_improve_the_map_and_a_stopped_series_goes_on(
    run: Run, stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "rounds"
    command = ["iterate", stack / "bare.star", "--map", stack / "map.mrc", "-o", out]
    command += ["--rounds", 2, "--subset", 60, "--initial-lowpass", 70, "--steps", 3]
    command += ["--fine-tune-steps", 2, "--batch-size", 8, "--device", "cpu"]
    # All the views there are: what a network knows after three steps is not asked.
    command += ["--hypotheses", 9999, "--compare", stack / "map.mrc", "--json"]

    # Stopped in the middle of the first round.
    with monkeypatch.context() as patch:
        patch.setattr(stages, "refine", interrupted)
        status, _, err = run(*command)
    assert status == 130, err
    assert "continues with" in err
    first = out / "round_01"
    assert json.loads((out / "study.json").read_text())["state"] == "stopped"
    assert not list(out.rglob("*.partial"))
    before = {p: p.stat().st_mtime_ns for p in (first / "labels.star", first / "predicted.star")}

    status, text, err = run(*command)
    assert status == 0, err
    assert before == {path: path.stat().st_mtime_ns for path in before}  # not made anew
    answer = json.loads(text.splitlines()[-1])
    one, two = answer["rounds"]
    assert two["against_angstrom"] < one["against_angstrom"]
    assert "gold-standard" in text
    assert "at most 1 more, about" in err
    with (out / "table.csv").open() as file:
        assert [row["number"] for row in csv.DictReader(file)] == ["1", "2"]
    for name in ("map.mrc", "map_half1.mrc", "map_half2.mrc", "fsc.csv", "poses.star"):
        best = out / f"round_{answer['best_round']:02d}" / name
        assert (out / name).read_bytes() == best.read_bytes()
    # The second round compares views that its network proposes: nothing is predicted or searched.
    assert (out / "round_01" / "predicted.star").is_file()
    assert not (out / "round_02" / "predicted.star").exists()
    assert err.count("the most probable to the network") == 2
    assert two["mean_confidence"] > 0.9
    # Half-sets have references of their own from the second round on.
    own = [read_map(out / "round_02" / f"reference_half{half}.mrc").voxels for half in (1, 2)]
    assert (own[0] != own[1]).any()
    particles, _ = read_particles(out / "poses.star", project_dir=stack.parent)
    assert len(particles) == N
    assert particles.poses is not None

    # What is finished is not done again; other settings want another folder.
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("poses.star")}
    assert run(*command)[0] == 0
    assert all(path.stat().st_mtime_ns == t for path, t in stamps.items() if path.parent != out)
    status, _, err = run(*command, "--initial-lowpass", 90)
    assert status == 2
    assert "initial_lowpass_angstrom 70.0, now 90.0" in err
    status, _, err = run(*command, "--no-resume")
    assert status == 2


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_stack_too_noisy_for_labels_ends_in_one_sentence(
    run: Run, stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stages, "LEAST_CONFIDENCE", 1.1)
    command = ["iterate", stack / "bare.star", "--map", stack / "map.mrc", "-o", tmp_path / "out"]
    status, _, err = run(*command, "--subset", 50)
    assert status == 2
    assert "is sure of 0 of 50" in err.splitlines()[-1]
    status, _, err = run(*command[:3], tmp_path / "none.mrc", "-o", tmp_path / "other")
    assert status == 2
    assert not (tmp_path / "other").exists()
    status, _, err = run(*command[:-1], tmp_path / "other", "--steps", 3, "--minutes", 1)
    assert status == 2
    assert "--minutes" in err


def test_only_a_distribution_has_hypotheses():
    def stack(**changes: object) -> Stack:
        n = changes.pop("n_hypotheses", 64)
        return Stack(Path("a.star"), None, "D7", changes, n_hypotheses=n)

    assert not Stack(Path("a.star"), None, "D7", {}).uses_hypotheses
    assert stack().uses_hypotheses
    assert stack(preset="fast", representation="distribution").uses_hypotheses
    assert not stack(n_hypotheses=0).uses_hypotheses
    assert not stack(representation="6d").uses_hypotheses
    assert not stack(preset="paper").uses_hypotheses


def test_what_hypotheses_leave_in_doubt_is_searched_on_request(
    run: Run, stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[Stack] = []

    def noted(of: Stack, *_: object, **__: object) -> None:
        asked.append(of)
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_cryoorient.studies.iterate.rounds.iterate", noted)
    command = ["iterate", stack / "bare.star", "--map", stack / "map.mrc", "-o", tmp_path / "out"]
    for flags in ((), ("--search",)):
        assert run(*command, "--hypotheses", 4, *flags)[0] == 130

    searched: list[bool] = []

    def compared(*_: object, searches: bool, **__: object) -> None:
        searched.append(searches)
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "choose_hypotheses", compared)
    monkeypatch.setattr(stages, "read_checkpoint", lambda path: {})
    shutil.copyfile(stack / "map.mrc", tmp_path / "reference.mrc")
    for of in asked:
        with pytest.raises(KeyboardInterrupt):
            stages.choose(of, tmp_path)
    assert searched == [False, True]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--search",), "--search goes with --hypotheses"),
        (("--hypotheses", 4, "--representation", "6d"), "and this one is of 6d"),
        (("--hypotheses", 4, "--search", "--preset", "paper"), "representation distribution"),
    ],
)
def test_what_would_do_nothing_is_refused(
    run: Run,
    stack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[object, ...],
    sentence: str,
):
    monkeypatch.setattr(stages, "label", interrupted)  # where it is not refused
    out = tmp_path / "out"
    command = ["iterate", stack / "bare.star", "--map", stack / "map.mrc", "-o", out]
    status, _, err = run(*command, "--device", "cpu", *flags)
    assert status == 2
    assert len(err.splitlines()) == 1
    assert sentence in err
    assert not out.exists()


def a_round(number: int, resolution: float | None, half: float | None) -> Round:
    return Round(number, resolution, half, None, None, False, 1.0, 100, 60.0, {})


def test_rounds_end_when_neither_crossing_improves():
    first, better = a_round(1, 30.0, 40.0), a_round(2, 20.0, 35.0)
    assert why_stop([first], 5) is None
    assert why_stop([first, better], 5) is None
    assert "2 rounds" in why_stop([first, better], 2)
    assert improves(a_round(3, 20.0, 33.0), better)
    assert "less than 2%" in why_stop([first, better, a_round(3, 19.9, 34.9)], 5)
    assert why_stop([first, better, a_round(3, None, 30.0)], 5) is None
    assert "Nyquist" in why_stop([a_round(1, None, None)], 5)
    # At Nyquist nothing is left to gain there; the other crossing decides.
    assert not improves(a_round(4, None, 30.0), a_round(3, None, 30.0))


def test_names_start_from_the_folder_where_the_stack_was_found(stack: Path, tmp_path: Path):
    assert project_folder_of(stack / "bare.star", None) == stack.parent.resolve()
    assert project_folder_of(stack / "particles.star", None) == stack.resolve()
    copy = tmp_path / "copy.star"
    copy.write_text((stack / "bare.star").read_text())
    assert project_folder_of(copy, stack.parent) == stack.parent.resolve()
