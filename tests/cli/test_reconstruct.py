"""``reconstruct`` and ``fsc`` as they are called."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.config import ReconstructConfig
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.io.stacks import MrcStackCollection
from napari_cryoorient.io.star import read_star, write_star
from napari_cryoorient.maps.fsc import sphere_mask
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.tasks.reconstruct import reconstruct_run, reconstruct_star
from support.command_line import simulated

Run = Callable[..., tuple[int, str, str]]
N = 150


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Particles with CTF, shifts and little noise; ``halves.star`` names half-sets."""
    flags = ["--n", N, "--snr", 2, "--shift-sigma", 4]
    folder = simulated(tmp_path_factory.mktemp("stack"), *flags)
    star = read_star(folder / "particles.star")
    block = star.block("particles")
    halves = block.table.assign(rlnRandomSubset=["1"] * 50 + ["2"] * (N - 50))
    write_star(star.with_block(replace(block, table=halves)), folder / "halves.star")
    bare = block.table.drop(columns=["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"])
    write_star(star.with_block(replace(block, table=bare)), folder / "bare.star")
    backwards = halves.iloc[::-1].iloc[:100]
    write_star(star.with_block(replace(block, table=backwards)), folder / "hundred.star")
    return folder


def test_the_map_comes_back_with_half_maps_and_their_fsc(run: Run, stack: Path, tmp_path: Path):
    out = tmp_path / "out.mrc"
    status, text, err = run(
        "reconstruct", stack / "halves.star", "-o", out, "--half-maps", "--json"
    )
    assert status == 0, err
    answer = json.loads(text.splitlines()[-1])
    assert answer["particles"] == N
    assert "50 and 100" in err
    assert "gold-standard" in text
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"out.mrc", "out_half1.mrc", "out_half2.mrc", "out_fsc.csv", "out_fsc.png"}
    density = read_map(out)
    assert density.pixel_size_angstrom == pytest.approx(8.0)

    status, text, _ = run("fsc", out, stack / "map.mrc", "--csv", tmp_path / "f.csv", "--json")
    assert status == 0
    curve = json.loads(text.splitlines()[-1])
    assert min(curve["fsc"][1:10]) > 0.9
    with (tmp_path / "f.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 17
    assert float(rows[4]["fsc"]) == pytest.approx(curve["fsc"][4], abs=1e-6)
    assert float(rows[4]["resolution_angstrom"]) == pytest.approx(32 * 8 / 4)

    # A half-set alone is the half-map.
    status, _, _ = run(
        "reconstruct", stack / "halves.star", "-o", tmp_path / "1.mrc", "--subset", "1"
    )
    assert status == 0
    one, half = (read_map(tmp_path / name).voxels for name in ("1.mrc", "out_half1.mrc"))
    np.testing.assert_allclose(one, half, atol=1e-4 * np.abs(half).max())


def test_poses_of_another_file_are_paired_by_name(run: Run, stack: Path, tmp_path: Path):
    status, _, err = run(
        "reconstruct",
        stack / "bare.star",
        "-o",
        tmp_path / "a.mrc",
        "--poses",
        stack / "hundred.star",
    )
    assert status == 0, err
    assert "50 particles have no pose" in err
    assert "no poses:" not in err
    path = reconstruct_run(stack / "hundred.star", None, tmp_path / "b.mrc")
    a, b = (read_map(p).voxels for p in (tmp_path / "a.mrc", path))
    np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max())


def test_dark_particles_give_a_bright_map_and_a_warning(run: Run, stack: Path, tmp_path: Path):
    density = read_map(stack / "map.mrc")
    dark = tmp_path / "dark"
    dark.mkdir()
    write_map(replace(density, voxels=-density.voxels), dark / "in.mrc")
    assert run("simulate", dark / "in.mrc", "-o", dark, "--n", 100)[0] == 0
    for wish, sign in (("auto", 1), ("no", -1), ("yes", 1)):
        out = tmp_path / f"{wish}.mrc"
        flags = ["-o", out, "--invert-contrast", wish]
        status, _, err = run("reconstruct", dark / "particles.star", *flags)
        assert status == 0
        assert ("WARNING" in err) == (wish != "yes")
        assert np.sign((read_map(out).voxels * density.voxels).sum()) == sign


def test_a_stopped_reconstruction_writes_nothing(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked, read = threading.Event(), MrcStackCollection.read

    def read_once_asked(images: MrcStackCollection, rows: np.ndarray) -> np.ndarray:
        """A stack as small as this would be through before anybody asks to stop."""
        if threading.current_thread().name.startswith("back-project"):
            assert asked.wait(timeout=60)
        return read(images, rows)

    def stop() -> bool:
        asked.set()
        return True

    monkeypatch.setattr(MrcStackCollection, "read", read_once_asked)
    done = reconstruct_star(
        stack / "particles.star",
        tmp_path / "out.mrc",
        ReconstructConfig(half_maps=True),
        reporter=Reporter(should_stop=stop),
    )
    assert done.path is None
    assert not list(tmp_path.iterdir())


def test_maps_are_brought_together_or_refused(run: Run, stack: Path, tmp_path: Path):
    density = demo_density(48, 8.0 * 32 / 48)
    write_map(density, tmp_path / "finer.mrc")
    status, text, err = run("fsc", tmp_path / "finer.mrc", stack / "map.mrc", "--json")
    assert status == 0
    assert "resampled from 48 to 32" in err
    assert len(json.loads(text.splitlines()[-1])["fsc"]) == 17
    write_map(replace(density, pixel_size_angstrom=8.0), tmp_path / "wider.mrc")
    status, _, err = run("fsc", tmp_path / "wider.mrc", stack / "map.mrc")
    assert status == 2
    assert "not the same field of view" in err


def test_masks_from_a_file_a_radius_and_the_maps(run: Run, stack: Path, tmp_path: Path):
    a, b = stack / "map.mrc", stack / "input.mrc"
    write_map(DensityMap(sphere_mask(32, 8.0, 80.0, 40.0), 8.0), tmp_path / "mask.mrc")
    for flags in (["--mask", tmp_path / "mask.mrc"], ["--mask", "auto"], ["--radius", 80]):
        figure = tmp_path / "curve.svg"
        status, text, err = run("fsc", a, b, *flags, "--figure", figure, "--json")
        assert status == 0, err
        assert json.loads(text.splitlines()[-1])["fsc_corrected"] is not None
        assert "<svg" in figure.read_text()
        figure.unlink()
    write_map(replace(read_map(a), voxels=3 * read_map(a).voxels), tmp_path / "grey.mrc")
    for flags, words in [
        (["--mask", "auto", "--radius", 3], "leave one of them out"),
        (["--mask", tmp_path / "grey.mrc"], "go from 0 to 1"),
        (["--mask", tmp_path / "none.mrc"], "none.mrc"),
    ]:
        status, _, err = run("fsc", a, b, *flags)
        assert status == 2
        assert words in err.splitlines()[-1]


def test_one_sentence_for_what_cannot_be_done(run: Run, stack: Path, tmp_path: Path):
    out, full = tmp_path / "out.mrc", stack / "particles.star"
    for arguments, words in [
        ((stack / "bare.star",), "has no poses to reconstruct from"),
        ((full, "--symmetry", "Q3"), "is not known"),
        ((full, "--max-resolution", 3), "finer than"),
        ((full, "--weigh-by-confidence"), "rlnParticleFigureOfMerit"),
        ((full, "--half-maps", "--subset", "2"), "half-maps or for one subset, not both"),
        ((full, "--poses", stack / "bare.star"), "has no poses"),
    ]:
        status, _, err = run("reconstruct", *arguments, "-o", out)
        assert status == 2, words
        assert words in err.splitlines()[-1]
        assert not list(tmp_path.iterdir())
