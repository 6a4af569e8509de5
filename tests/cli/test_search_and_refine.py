"""``search``, ``refine``, ``predict --refine`` and ``train --labels search`` as they are called."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io.star import read_particles, read_star, write_star
from support.command_line import simulated, without_poses

Run = Callable[..., tuple[int, str, str]]
N = 40


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack of forty particles with CTF, shifts and noise, and beside it one without poses."""
    flags = ["--n", N, "--snr", 0.5, "--shift-sigma", 4]
    folder = simulated(tmp_path_factory.mktemp("stack"), *flags)
    star = without_poses(read_star(folder / "particles.star"))
    block = star.block("particles")
    table = block.table.assign(rlnMine=[f"mine{i}" for i in range(N)])
    write_star(star.with_block(replace(block, table=table)), folder / "bare.star")
    return folder


def evaluated(run: Run, predicted: Path, stack: Path) -> dict[str, float]:
    status, out, _ = run("evaluate", predicted, stack / "particles.star", "--json")
    assert status == 0
    return json.loads(out.splitlines()[-1])


def test_search_needs_no_poses_and_refine_keeps_them_good(run: Run, stack: Path, tmp_path: Path):
    found = tmp_path / "found.star"
    status, out, err = run(
        "search", stack / "bare.star", "--map", stack / "map.mrc", "-o", found, "--json"
    )
    assert status == 0
    answer = json.loads(out.splitlines()[-1])
    assert answer["particles"] == N
    assert answer["mean_confidence"] > 0.9
    assert "Stack: SNR" in err
    errors = evaluated(run, found, stack)
    assert errors["fraction_under_10_deg"] > 0.9
    text = found.read_text()
    assert "mine39" in text
    assert "rlnParticleFigureOfMerit" in text

    refined = tmp_path / "refined.star"
    flags = ["--map", stack / "map.mrc", "--project-dir", stack, "--json"]
    status, out, err = run("refine", found, "-o", refined, *flags)
    assert status == 0
    assert json.loads(out.splitlines()[-1])["median_moved_deg"] < 1
    assert "Moved by" in err
    assert (
        read_star(refined).block("particles").table["rlnParticleFigureOfMerit"].astype(float).mean()
        > 0.9
    )
    assert evaluated(run, refined, stack)["median_deg"] < 1.1 * errors["median_deg"] + 0.05


def test_what_the_confidence_is_made_of_is_written(run: Run, stack: Path, tmp_path: Path):
    found = tmp_path / "found.star"
    flags = ["--map", stack / "map.mrc", "-o", found, "--subset", 6, "--evidence", "--json"]
    status, out, _ = run("search", stack / "bare.star", *flags)
    assert status == 0
    table = read_star(found).block("particles").table
    numbers = {name: table[name].astype(float) for name in table if name.startswith("cryoorient")}
    assert len(numbers) == 7
    stated = table["rlnParticleFigureOfMerit"].astype(float)
    product = numbers["cryoorientPoseProbability"] * numbers["cryoorientPresenceProbability"]
    assert abs(stated - product).max() < 2e-5
    assert numbers["cryoorientRunnerUpMargin"].between(0, 99).all()
    presence = numbers["cryoorientPresenceProbability"].mean()
    assert abs(json.loads(out.splitlines()[-1])["mean_presence"] - presence) < 1e-4


def test_subset_is_random_and_only_its_rows_are_written(run: Run, stack: Path, tmp_path: Path):
    names = []
    for seed in (0, 0, 1):
        out = tmp_path / f"{len(names)}.star"
        flags = ["--subset", 10, "--seed", seed, "--resolution", 30]
        status, _, err = run(
            "search", stack / "bare.star", "--map", stack / "map.mrc", "-o", out, *flags
        )
        assert status == 0
        assert f"10 of {N} particles" in err
        names.append(read_particles(out, project_dir=stack)[0].names)
    assert len(names[0]) == 10
    assert names[0] == names[1] != names[2]


def test_one_sentence_for_what_cannot_be_done(run: Run, stack: Path, tmp_path: Path):
    out, density = tmp_path / "out.star", ("--map", stack / "map.mrc")
    bare, full = stack / "bare.star", stack / "particles.star"
    for arguments, words in [
        (("refine", bare, *density, "-o", out), "has no poses to refine"),
        (("refine", full, *density, "-o", full), "would be overwritten"),
        (("search", full, *density, "-o", full), "would be overwritten"),
        (("search", bare, *density, "-o", out, "--symmetry", "Q3"), "is not known"),
        (("search", bare, "--map", tmp_path / "no.mrc", "-o", out), "no.mrc"),
    ]:
        status, _, err = run(*arguments)
        assert status == 2
        assert words in err.splitlines()[-1]
        assert not out.exists()


def test_train_on_searched_labels_then_predict_and_refine(run: Run, stack: Path, tmp_path: Path):
    folder, out = tmp_path / "run", tmp_path / "poses.star"
    flags = ["--labels", "search", "--steps", 3, "--batch-size", 8, "--device", "cpu"]
    flags += ["--n-labels", 12, "--warm-up", 0.3]
    status, _, err = run(
        "train", stack / "bare.star", "--map", stack / "map.mrc", "-o", folder, *flags
    )
    assert status == 0, err
    assert "searching 20 particles" in err  # and the eight held out
    assert "particles to learn from" in err
    assert re.search(r"measured on \d+% of the test particles.*about \d+% of these labels", err)
    # The test set is real particles with the poses found.
    with np.load(folder / "preview.npz") as preview:
        assert (preview["rows"] >= 0).all()
    status, said, err = run("predict", stack / "bare.star", "--run", folder, "-o", out, "--refine")
    assert status == 0, err
    assert "doubtful particles were searched globally" in err
    # Hardly trained: the search for the doubtful finds what refinement could not.
    assert evaluated(run, out, stack)["fraction_under_10_deg"] > 0.85
    searched = re.search(r"(\d+) of them \(\d+%\) were searched globally", said)
    assert searched is not None
    assert int(searched[1]) > 10
    alone = ["--refine", "--no-search", "--json"]
    status, said, err = run("predict", stack / "bare.star", "--run", folder, "-o", out, *alone)
    assert status == 0, err
    assert json.loads(said.splitlines()[-1])["n_searched"] == 0
    assert "searched globally" not in err
    assert evaluated(run, out, stack)["fraction_under_10_deg"] < 0.5
    # Its views are no better; of all that there are, in whatever order, the images know the right.
    for few_or_all, low, high in ((2, 0.0, 0.5), (9999, 0.85, 1.0)):
        views = ["--hypotheses", few_or_all, "--no-search", "--json"]
        status, said, err = run("predict", stack / "bare.star", "--run", folder, "-o", out, *views)
        assert status == 0, err
        assert json.loads(said.splitlines()[-1])["n_searched"] == 0
        assert low <= evaluated(run, out, stack)["fraction_under_10_deg"] <= high
        confidence = read_star(out).block("particles").table["rlnParticleFigureOfMerit"]
        assert abs(confidence.astype(float).mean() - (low + high) / 2) < 0.25
    (stack / "map.mrc").rename(stack / "moved.mrc")
    try:
        status, _, err = run("predict", stack / "bare.star", "--run", folder, "-o", out, "--refine")
        assert status == 2
        assert "--map" in err
    finally:
        (stack / "moved.mrc").rename(stack / "map.mrc")
