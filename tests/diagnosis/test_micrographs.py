"""Micrographs: outliers of each kind are found and named, others left; the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_cryoorient as nc
from napari_cryoorient.diagnosis.comparison import Groups
from napari_cryoorient.diagnosis.micrographs import MicrographFigures, micrograph_figures
from napari_cryoorient.io.new_star import new_particle_star
from napari_cryoorient.io.star import read_star, write_star
from napari_cryoorient.particles import Poses
from support.command_line import call
from support.pose_sets import rotations

M, EACH = 200, 50


def figures(kind: str = "") -> MicrographFigures:
    """Return 200 micrographs of 50 particles, number 7 spoilt in one way."""
    rng = np.random.default_rng(0)
    group_of = np.repeat(np.arange(M), EACH)
    poses, bad = rotations(M * EACH, 1), group_of == 7
    confidence = rng.beta(8, 2, M * EACH)
    defocus = rng.normal(15000, 2000, M)[group_of] + rng.normal(0, 100, M * EACH)
    if kind == "views":
        turned = poses[bad] @ np.diag([1.0, -1.0, -1.0])
        poses[bad] = np.where(poses[bad][:, 2:, 2:] < 0, turned, poses[bad])  # all from above
    elif kind == "in-plane angles":
        psi = np.radians(rng.normal(30, 20, EACH))
        c, s, zero = np.cos(psi), np.sin(psi), 0 * psi
        turns = np.stack([c, s, zero, -s, c, zero, zero, zero, 1 + zero], 1).reshape(-1, 3, 3)
        poses[bad] = turns @ rotations_without_psi(poses[bad])
    elif kind == "confidence":
        confidence[bad] = 0.4
    elif kind == "defocus":
        defocus[bad] = 60000
    elif kind == "count":
        group_of = np.where(bad & (np.arange(M * EACH) % 10 > 0), 8, group_of)
    names = tuple(f"{i}.mrc" for i in range(M))
    return micrograph_figures(
        Poses(poses, np.zeros((M * EACH, 2))),
        Groups(names, group_of),
        confidence=confidence,
        defocus_angstrom=defocus,
    )


def rotations_without_psi(poses: np.ndarray) -> np.ndarray:
    angles = nc.matrix_to_euler_zyz_deg(poses)
    angles[:, 2] = 0
    return np.asarray(nc.euler_zyz_deg_to_matrix(angles))


def test_alike_micrographs_have_no_outliers() -> None:
    found = figures()
    assert found.n_outlying == 0
    assert found.n.tolist() == [EACH] * M
    assert found.score.max() < 5
    assert found.summary()["particles"] == M * EACH
    assert np.median(found.view_spread_deg) > 75
    assert np.median(found.in_plane_alignment) < 0.25


@pytest.mark.parametrize("kind", ["count", "confidence", "defocus", "views", "in-plane angles"])
def test_each_kind_of_outlier_is_first_and_named(kind: str) -> None:
    found = figures(kind)
    first = int(found.order[0])
    if kind == "count":  # the particles went to the next one
        assert set(found.order[:2].tolist()) == {7, 8}
    else:
        assert found.names[first] == "7.mrc"
        assert found.n_outlying == 1
    assert found.why(first) == kind
    assert kind in found.describe()


def star_of(path: Path, n: int = 60) -> Path:
    star = new_particle_star(
        "s.mrcs", Poses(rotations(n, 2), np.zeros((n, 2))), box=64, pixel_size_angstrom=1.0
    )
    block = star.blocks[1]
    table = block.table.assign(rlnMicrographName=[f"m{i // 20}.mrc" for i in range(n)])
    write_star(star.with_block(replace(block, table=table)), path)
    return path


def test_command_ranks_and_excludes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    star, table, kept = star_of(tmp_path / "a.star"), tmp_path / "t.star", tmp_path / "k.star"
    words = ("micrographs", star, "-o", table, "--exclude", "m1.mrc", "--kept", kept, "--json")
    status, out, err = call(capsys, *words)
    assert status == 0, err
    said = json.loads(out.splitlines()[-1])
    assert said["micrographs"] == 3
    assert said["n_kept"] == 40
    assert said["worst"][0]["mean_confidence"] is None
    before, after = (read_star(path).blocks[-1].table for path in (star, kept))
    left = before[before["rlnMicrographName"] != "m1.mrc"].reset_index(drop=True)
    assert after.equals(left)
    rows = read_star(table).blocks[0].table
    assert sorted(rows["rlnMicrographName"]) == ["m0.mrc", "m1.mrc", "m2.mrc"]
    assert [row["name"] for row in said["worst"]] == rows["rlnMicrographName"].tolist()
    assert len(nc.micrographs(star)) == 3
    again = nc.micrographs(star, exclude="m1.mrc", kept=tmp_path / "again.star", worst=2)
    assert (tmp_path / "again.star").read_bytes() == kept.read_bytes()
    assert [row["name"] for row in again.summary()["worst"]] == rows["rlnMicrographName"][
        :2
    ].tolist()
    for flags, why in (
        (("--exclude", "m1.mrc"), "belong together"),
        (("--exclude", "m9.mrc", "--kept", kept), "No particle is of a micrograph m9.mrc"),
        (
            ("--exclude", "m0.mrc", "--exclude", "m1.mrc", "--exclude", "m2.mrc", "--kept", kept),
            "no particle is left",
        ),
    ):
        status, _, err = call(capsys, "micrographs", star, *flags)
        assert status == 2
        assert why in err
    with pytest.raises(nc.InputError, match=r"^exclude and kept belong together"):
        nc.micrographs(star, exclude="m1.mrc")


def test_a_file_that_tells_no_micrographs_is_refused(tmp_path: Path) -> None:
    star = new_particle_star(
        "s.mrcs", Poses(rotations(5, 2), np.zeros((5, 2))), box=64, pixel_size_angstrom=1.0
    )
    write_star(star, tmp_path / "a.star")
    with pytest.raises(nc.InputError, match="No column names micrographs"):
        nc.micrographs(tmp_path / "a.star")
