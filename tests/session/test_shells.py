"""FSC curves from maps and from the files of the command, and what is no curve."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.cli import main
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.session.shells import Shells, read_curve

from .conftest import AtOnce, Stack, Told


@pytest.fixture
def noisy(made: Stack, tmp_path: Path) -> Path:
    density = read_map(made.map)
    noise = np.random.default_rng(0).normal(size=density.voxels.shape)
    voxels = (density.voxels + 0.3 * density.voxels.std() * noise).astype(np.float32)
    write_map(replace(density, voxels=voxels), tmp_path / "noisy.mrc")
    return tmp_path / "noisy.mrc"


def test_two_maps_give_the_curve_of_the_command(
    made: Stack, noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shells, table = Shells(AtOnce(), Told()), tmp_path / "curve.csv"
    heard: list[int] = []
    shells.changed.connect(lambda: heard.append(len(shells.curves)))
    shells.compare(made.map, noisy)
    assert main(["fsc", str(made.map), str(noisy), "--csv", str(table), "--json"]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "curve.json").write_text(printed.splitlines()[-1])
    (tmp_path / "all.json").write_text(printed)
    for name in ("curve.csv", "curve.json", "all.json"):
        shells.open(tmp_path / name)
        (own, *_, read) = shells.curves
        np.testing.assert_allclose(read.curve.values, own.curve.values, atol=1e-5)
        assert read.resolutions() == own.resolutions()
    assert "0.5: " in own.resolutions()
    assert heard == [1, 2, 2, 3]  # a curve of the same name takes the place of the one before
    shells.clear()
    assert shells.curves == ()


def test_a_mask_frees_the_curve_and_stands_beside_it(made: Stack, noisy: Path) -> None:
    jobs = AtOnce()
    shells = Shells(jobs, Told())
    shells.compare(made.map, noisy)
    shells.compare(made.map, noisy, with_mask=True)
    assert len(set(jobs.kinds)) == 2  # of two jobs of one kind only the newest is heard
    plain, masked = shells.curves
    assert plain.curve.corrected is None
    assert masked.curve.corrected is not None
    assert "masked" in masked.label


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "x,y\n1,2\n"),
        ("empty.csv", ""),
        ("a.json", "{}"),
        ("b.json", "no json"),
        ("short.json", json.dumps({"frequencies_per_angstrom": [0.0, 0.1], "fsc": [1, 1]})),
        ("down.json", json.dumps({"frequencies_per_angstrom": [0, 0.2, 0.1], "fsc": [1, 1, 0]})),
    ],
)
def test_what_is_no_curve_is_refused_by_name(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=name):
        read_curve(tmp_path / name)


def test_maps_that_do_not_fit_are_told(made: Stack, noisy: Path) -> None:
    write_map(replace(read_map(noisy), pixel_size_angstrom=3.0), noisy)
    told = Told()
    shells = Shells(AtOnce(), told)
    shells.compare(made.map, noisy)
    assert "field of view" in told.errors[0]
    assert shells.curves == ()
