"""``null-test``: one page, one sentence, and figures that a script can read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import napari_cryoorient as nc
from napari_cryoorient.config import SearchConfig
from napari_cryoorient.diagnosis.null_test import IMAGES, MAPS, PARTICLES
from support.blob_maps import blobs
from support.command_line import call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("null")
    nc.simulate(blobs("C2", box=32), 48, folder=path, snr=0.1, device="cpu", seed=1)
    return path


def test_the_command_says_what_the_function_does(folder: Path, capsys: pytest.CaptureFixture[str]):
    figure = folder / "null.pdf"
    star, map_path = folder / "particles.star", folder / "map.mrc"
    status, printed, _ = call(
        capsys, "null-test", star, "--map", map_path, "--symmetry", "C2", "--subset", 44,
        "--figure", figure, "--device", "cpu", "--json",
    )  # fmt: skip
    assert status == 0
    said = printed.splitlines()
    results = json.loads(said[-1])
    assert results["outcome"] == "explained"
    assert results["n"] == 44
    assert results["sentence"] in said[-2]
    assert figure.read_bytes().startswith(b"%PDF")
    found = nc.null_test(star, map_path, symmetry="C2", subset=44, device="cpu")
    assert found.describe() == results["sentence"]
    assert [row["case"] for row in results["cases"]] == [PARTICLES, IMAGES, MAPS]
    curves = results["reference_fsc"]
    low = np.s_[2:8]
    with_particles, with_nothing = (
        np.mean(curves[case]["fsc"][low]) for case in (PARTICLES, IMAGES)
    )
    assert with_particles > with_nothing + 0.03
    assert set(results["half_map_fsc"]) == {PARTICLES, IMAGES, MAPS}


def test_poses_of_the_file_can_be_judged_in_place_of_a_search(folder: Path):
    star, map_path = folder / "particles.star", folder / "map.mrc"
    found = nc.null_test(
        star, map_path, refines=True, config=SearchConfig(symmetry="C2", subset=32, device="cpu")
    )
    assert found.verdict.outcome == "explained"
    assert not found.half_map_fsc  # too few particles


def test_particles_without_poses_cannot_be_refined(folder: Path):
    from dataclasses import replace

    particles = replace(nc.read_particles(folder / "particles.star"), poses=None)
    with pytest.raises(nc.InputError, match="no poses to refine"):
        nc.null_test(particles, folder / "map.mrc", refines=True, subset=8, device="cpu")
