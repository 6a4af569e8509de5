"""Comparisons: differences pair by pair, over views and micrographs, and what particles prefer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_cryoorient as nc
from napari_cryoorient.diagnosis.comparison import Groups, compare_poses
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.star import read_star
from napari_cryoorient.particles import Poses
from napari_cryoorient.tasks.pairs import paired_rows
from support.pose_sets import rotations, turned, two_refinements


def test_differences_are_those_that_were_drawn() -> None:
    pair = two_refinements(3000, 0, noise_deg=2.0, wrong=0.2)
    found = compare_poses(pair.a, pair.b, symmetry_matrices("C1"))
    right = ~(pair.wrong_a | pair.wrong_b)
    # Two errors of 2 degrees in the root mean square.
    assert np.sqrt(np.mean(found.angles_deg[right] ** 2)) == pytest.approx(8**0.5, rel=0.05)
    assert np.mean(found.angles_deg[~right] > 10) > 0.95
    assert found.share_under(10) == pytest.approx(right.mean(), abs=0.02)
    assert found.agreeing(10.0).sum() == (found.angles_deg <= 10).sum()


def test_symmetry_copies_count_as_the_same_pose_and_are_told() -> None:
    group = symmetry_matrices("D7")
    pair = two_refinements(1000, 1, noise_deg=1.0, group=group.numpy())
    found = compare_poses(pair.a, pair.b, group)
    assert found.median_angle_deg < 2.5
    assert found.is_other_copy.mean() > 0.4
    alone = compare_poses(pair.a, pair.b, symmetry_matrices("C1"))
    assert alone.share_under(10) < 0.3


def test_figures_by_micrograph_and_by_view() -> None:
    pair = two_refinements(900, 2, noise_deg=1.0)
    spoilt = pair.b.rotations.copy()
    spoilt[1::3] = rotations(300, 77)
    micrographs = Groups(("0.mrc", "1.mrc", "unused.mrc", "2.mrc"), np.arange(900) % 3)
    micrographs.group_of[2::3] = 3
    b = Poses(spoilt, pair.b.shifts_angstrom)
    found = compare_poses(pair.a, b, symmetry_matrices("C1"), micrographs=micrographs)
    named = found.by_micrograph()
    assert named is not None
    assert named[0] == ("0.mrc", "1.mrc", "2.mrc")
    assert named[1].n.tolist() == [300] * 3
    assert named[1].median_angle_deg[1] > 60 > 5 > named[1].median_angle_deg[[0, 2]].max()
    for i in range(3):
        assert named[1].median_angle_deg[i] == pytest.approx(np.median(found.angles_deg[i::3]))
    directions, figures = found.by_view()
    assert figures.n.sum() == 900
    assert len(directions) == len(figures.n)


def test_pairs_are_found_in_any_order_and_by_looser_names() -> None:
    names = [f"{i:06d}@a/b.mrcs" for i in range(1, 8)]
    order = np.random.default_rng(0).permutation(7)
    shuffled = [names[i] for i in order]
    rows, others = paired_rows(names, shuffled)
    assert [names[i] for i in rows] == [shuffled[i] for i in others]
    rows, others = paired_rows(names[:3], [f"{i}@other/b.mrc" for i in (3, 2, 9)])
    assert rows.tolist() == [1, 2]
    assert others.tolist() == [1, 0]
    with pytest.raises(nc.InputError, match="twice"):
        paired_rows([names[0], names[0]], names)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, np.ndarray, np.ndarray]:
    """Particles at SNR 0.3, two files of their poses in other frames, and which are wrong."""
    from support.command_line import simulated

    folder = simulated(tmp_path_factory.mktemp("compare"), "--n", 120, "--snr", 0.3)
    particles = nc.read_particles(folder / "particles.star")
    assert particles.poses is not None
    rng = np.random.default_rng(0)
    turn = rotations(1, 3)[0]
    wrong = []
    for name, in_frame in (("one", np.eye(3)), ("other", turn.T)):
        poses = turned(particles.poses.rotations, 3.0, rng)
        is_wrong = rng.random(120) < 0.3
        poses[is_wrong] = rotations(int(is_wrong.sum()), 50 + len(name))
        wrong.append(is_wrong)
        moved = Poses(poses @ in_frame, particles.poses.shifts_angstrom)
        nc.write_poses(folder / f"{name}.star", replace(particles, poses=moved))
    return folder / "one.star", folder / "other.star", wrong[0], wrong[1]


@pytest.mark.parametrize("turned_about", [False, True])
def test_images_prefer_the_right_pose_in_whichever_frame_the_map_is(
    stack: tuple[Path, Path, np.ndarray, np.ndarray], turned_about: bool
) -> None:
    a, b, wrong_a, wrong_b = stack
    if turned_about:
        a, b, wrong_a, wrong_b = b, a, wrong_b, wrong_a
    found = nc.compare(a, b, density=a.parent / "map.mrc", device="cpu")
    p = found.preference
    assert p is not None
    assert p.map_is_in_first_frame != turned_about
    decided = (wrong_a != wrong_b) & (found.angles_deg > 10)
    assert ((p.probability_of_a > 0.5) == wrong_b)[decided].mean() > 0.95
    both = ~wrong_a & ~wrong_b
    assert (p.prefers_a | p.prefers_b)[both].mean() < 0.1


def test_poses_alone_have_no_images_to_ask(
    stack: tuple[Path, Path, np.ndarray, np.ndarray],
) -> None:
    poses = nc.read_particles(stack[0]).poses
    assert poses is not None
    with pytest.raises(nc.InputError, match="no images"):
        nc.compare(poses, stack[1], density=stack[0].parent / "map.mrc")
    with pytest.raises(nc.InputError, match="row by row"):
        nc.compare(poses[:10], stack[1])
    assert len(nc.compare(poses[:10], poses[:10])) == 10


def test_table_names_each_pair(
    stack: tuple[Path, Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    from napari_cryoorient.cli import main

    a, b, _, _ = stack
    table, kept, page = tmp_path / "table.star", tmp_path / "kept.star", tmp_path / "page.png"
    words = ["compare", a, b, "-o", table, "--agreeing", kept, "--within", "10", "--figure", page]
    assert main([str(word) for word in words]) == 0
    rows = read_star(table).blocks[0].table
    names = read_star(a).blocks[-1].table["rlnImageName"]
    assert rows["rlnImageName"].tolist() == names.tolist()
    apart = rows["cryoorientAngleDifference"].astype(float)
    agreeing = read_star(kept).blocks[-1].table
    assert agreeing.equals(
        read_star(a).blocks[-1].table[(apart <= 10).to_numpy()].reset_index(drop=True)
    )
    assert page.stat().st_size > 10_000
