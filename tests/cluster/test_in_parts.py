"""Commands whose work is done range by range write what one that does it at once writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.cluster.partial import partial_poses
from napari_cryoorient.cluster.shard import Shard
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star import read_particles, read_star, write_star
from napari_cryoorient.tasks.search import random_rows
from napari_cryoorient.viewer.show import layers_of
from support.command_line import without_poses

Run = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("small_ranges")


@pytest.fixture(scope="module")
def trained(stack: Path) -> Path:
    """A run whose network has learned next to nothing, so that most poses stay in doubt."""
    from napari_cryoorient.cli import main

    flags = ["--map", str(stack / "map.mrc"), "--steps", "3", "--batch-size", "8", "--box", "32"]
    run = stack / "run"
    assert main(["train", str(stack / "particles.star"), *flags, "-o", str(run)]) == 0
    return run


def test_search(run: Run, stack: Path, found: Path, tmp_path: Path):
    out, parts = tmp_path / "out.star", tmp_path / "parts"
    flags = ["--map", stack / "map.mrc", "-o", out, "--parts", parts]
    status, _, err = run("search", stack / "particles.star", *flags)
    assert (status, out.read_bytes()) == (0, found.read_bytes()), err
    assert len(list((parts / "search").glob("0*.npz"))) == 4
    # All is there: nothing is searched again, and the same comes of it.
    out.unlink()
    before = {path: path.stat().st_mtime_ns for path in parts.rglob("*")}
    status, _, err = run("search", stack / "particles.star", *flags)
    assert (status, out.read_bytes()) == (0, found.read_bytes())
    assert "200 of 200 particles were done before" in err
    assert {path: path.stat().st_mtime_ns for path in parts.rglob("*")} == before


def test_search_of_a_subset_of_rows_with_images_that_tell_nothing(
    run: Run, stack: Path, tmp_path: Path
):
    folder = tmp_path / "stack"
    folder.mkdir()
    for name in ("particles.star", "particles.mrcs", "map.mrc"):
        (folder / name).write_bytes((stack / name).read_bytes())
    with (folder / "particles.mrcs").open("r+b") as file:
        for blank in (3, 70, 150):
            file.seek(1024 + 4 * 32 * 32 * blank)
            file.write(np.zeros(32 * 32, dtype="<f4").tobytes())
    given = [folder / "particles.star", "--map", folder / "map.mrc", "--subset", 150]
    assert run("search", *given, "-o", tmp_path / "at_once.star")[0] == 0
    assert run("search", *given, "-o", tmp_path / "out.star", "--parts", tmp_path / "p")[0] == 0
    assert (tmp_path / "out.star").read_bytes() == (tmp_path / "at_once.star").read_bytes()


def test_refine(run: Run, stack: Path, found: Path, tmp_path: Path):
    given = [found, "--map", stack / "map.mrc"]
    assert run("refine", *given, "-o", tmp_path / "at_once.star")[0] == 0
    assert run("refine", *given, "-o", tmp_path / "out.star", "--parts", tmp_path / "p")[0] == 0
    assert (tmp_path / "out.star").read_bytes() == (tmp_path / "at_once.star").read_bytes()
    assert len(list((tmp_path / "p" / "refine").glob("0*.npz"))) == 2
    # What the stack tells is known to a command that finds all parts there, too.
    assert run("refine", *given, "-o", tmp_path / "again.star", "--parts", tmp_path / "p")[0] == 0
    assert (tmp_path / "again.star").read_bytes() == (tmp_path / "at_once.star").read_bytes()


@pytest.mark.parametrize(
    ("flags", "stages"),
    [
        (["--refine"], {"predict", "refine", "search"}),
        (["--hypotheses", 64, "--no-search"], {"hypotheses"}),
    ],
    ids=["refined", "hypotheses"],
)
def test_predict(
    run: Run, stack: Path, trained: Path, tmp_path: Path, flags: list[object], stages: set[str]
):
    star = without_poses(read_star(stack / "particles.star"))
    block = star.block("particles")
    few = star.with_block(replace(block, table=block.table.iloc[:100]))
    write_star(few, tmp_path / "bare.star")
    given = [tmp_path / "bare.star", "--run", trained, "--project-dir", stack, *flags]
    assert run("predict", *given, "-o", tmp_path / "at_once.star")[0] == 0
    assert run("predict", *given, "-o", tmp_path / "out.star", "--parts", tmp_path / "p")[0] == 0
    assert (tmp_path / "out.star").read_bytes() == (tmp_path / "at_once.star").read_bytes()
    assert {path.name for path in (tmp_path / "p").iterdir() if path.is_dir()} == stages
    assert partial_poses(tmp_path / "p").rows[-1] < 100


def test_a_stopped_command_goes_on_where_it_was(
    run: Run, stack: Path, found: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    done: list[Path] = []
    real = Shard.do

    def two_at_most(given: Shard) -> int:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(given.path)
        return real(given)

    monkeypatch.setattr(Shard, "do", two_at_most)
    out = tmp_path / "out.star"
    flags = ["--map", stack / "map.mrc", "-o", out, "--parts", tmp_path / "p"]
    status, _, err = run("search", stack / "particles.star", *flags)
    assert status == 130
    assert f"Finished parts are kept in {tmp_path / 'p'}" in err
    assert not out.exists()
    made = {path: path.stat().st_mtime_ns for path in done}
    monkeypatch.setattr(Shard, "do", real)
    status, _, err = run("search", stack / "particles.star", *flags)
    assert (status, out.read_bytes()) == (0, found.read_bytes())
    assert "128 of 200 particles were done before" in err
    assert {path: path.stat().st_mtime_ns for path in done} == made


def test_parts_of_another_task_are_refused(run: Run, stack: Path, found: Path, tmp_path: Path):
    parts = tmp_path / "p"
    given = ["search", stack / "particles.star", "--map", stack / "map.mrc", "--parts", parts]
    assert run(*given, "-o", tmp_path / "a.star")[0] == 0
    before = {path: path.read_bytes() for path in parts.rglob("*") if path.is_file()}

    def refused(*more: object, command: list[object] = given) -> str:
        status, _, err = run(*command, "-o", tmp_path / "b.star", *more)
        assert status == 2
        assert not (tmp_path / "b.star").exists()
        assert {path: path.read_bytes() for path in parts.rglob("*") if path.is_file()} == before
        return err

    assert "symmetry was C1 and is D2" in refused("--symmetry", "D2")
    assert "command was search and is refine" in refused(command=["refine", *given[1:]])
    changed = tmp_path / "changed.mrc"
    changed.write_bytes((stack / "map.mrc").read_bytes()[:-4] + b"\1\2\3\4")
    other = ["search", stack / "particles.star", "--map", changed, "--parts", parts]
    assert "the map is not what it was" in refused(command=other)
    # Where it is computed is no part of the task.
    assert run(*given, "-o", tmp_path / "a.star", "--device", "cpu")[0] == 0


def test_a_folder_with_other_files_is_refused(run: Run, stack: Path, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    given = ["search", stack / "particles.star", "--map", stack / "map.mrc"]
    flags = ["-o", tmp_path / "a.star", "--parts", tmp_path / "mine"]
    status, _, err = run(*given, *flags)
    assert status == 2
    assert "The folder holds files and no parts of this program's" in err
    assert os.listdir(tmp_path / "mine") == ["notes.txt"]


def test_a_damaged_part_is_made_again(run: Run, stack: Path, found: Path, tmp_path: Path):
    out, parts = tmp_path / "out.star", tmp_path / "p"
    given = ["search", stack / "particles.star", "--map", stack / "map.mrc", "--parts", parts]
    assert run(*given, "-o", out)[0] == 0
    part = min((parts / "search").glob("0*.npz"))
    part.write_bytes(part.read_bytes()[:1000])
    status, _, err = run(*given, "-o", out)
    assert status == 2
    assert "damaged" in err
    assert run(*given, "-o", out)[0] == 0
    assert out.read_bytes() == found.read_bytes()


def test_the_poses_that_are_there_can_be_looked_at(
    run: Run, stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    done: list[Path] = []
    real = Shard.do

    def one_at_most(given: Shard) -> int:
        if done:
            raise KeyboardInterrupt
        done.append(given.path)
        return real(given)

    monkeypatch.setattr(Shard, "do", one_at_most)
    given = [stack / "particles.star", "--map", stack / "map.mrc", "-o", tmp_path / "out.star"]
    assert run("search", *given, "--subset", 150)[0] == 0  # all of it, at once
    found = read_particles(tmp_path / "out.star", project_dir=stack)[0]
    flags = ["--subset", 150, "--parts", tmp_path / "p"]
    assert run("search", *given, *flags)[0] == 130
    there = partial_poses(tmp_path / "p")
    chosen = random_rows(200, 150, 0)[:64]
    np.testing.assert_array_equal(there.rows, chosen)
    np.testing.assert_allclose(there.poses.rotations, found.poses.rotations[:64], atol=1e-6)
    images, projections = layers_of(tmp_path / "p")
    assert images[1]["name"] == "particles.star, 64 of 200 so far"
    whole = read_particles(stack / "particles.star")[0].images
    np.testing.assert_array_equal(np.asarray(images[0][3]), whole.read(chosen[3:4])[0])
    # Right poses show what the images show, noise aside.
    pairs = [(np.asarray(images[0][i]), np.asarray(projections[0][i])) for i in range(64)]
    agreement = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]
    unlike = [np.corrcoef(a.ravel(), np.roll(b, 16).ravel())[0, 1] for a, b in pairs]
    assert np.mean(agreement) > np.mean(unlike) + 0.1


def test_a_folder_in_which_nothing_is_finished_says_so(tmp_path: Path):
    (tmp_path / "files.json").write_text('{"particles": "a.star"}')
    with pytest.raises(InputError, match="No part is finished yet"):
        layers_of(tmp_path)
