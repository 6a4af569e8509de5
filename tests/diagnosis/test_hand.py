"""The hand of a map from tilt pairs and from tilted views, and what cannot be told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_cryoorient as nc
from napari_cryoorient.diagnosis.hand_files import axis_of_defocus
from napari_cryoorient.diagnosis.handedness import tilt_rotation
from napari_cryoorient.diagnosis.pose_files import read_poses
from napari_cryoorient.geometry.rotations import turn_in_plane
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.new_star import new_particle_star
from napari_cryoorient.io.star_text import StarFile, write_star
from napari_cryoorient.particles import CtfParameters, Floats
from napari_cryoorient.simulation.demo_density import demo_density
from support.command_line import call
from support.pose_sets import MIRROR, rotations, turned

TILT, AXIS = 30.0, 70.0
ASKED = {"tilt_deg": TILT, "axis_deg": AXIS}
TURN = tilt_rotation(TILT, AXIS).numpy()
N = 60


def posed(matrices: Floats) -> nc.Poses:
    return nc.Poses(matrices, np.zeros((len(matrices), 2)))


def pairs(seed: int, symmetry: str = "C1") -> tuple[Floats, Floats]:
    """Draw poses of N pairs, 5 degrees off, 30% of either wrong, at any symmetry copy."""
    rng, group = np.random.default_rng(seed), symmetry_matrices(symmetry).numpy()
    true = rotations(N, seed)
    sets = turned(true, 5.0, rng), turned(TURN @ true, 5.0, rng)
    for i, poses in enumerate(sets):
        wrong = rng.random(N) < 0.3
        poses[wrong] = rotations(int(wrong.sum()), 100 * seed + i + 1)
        poses[:] = poses @ group[rng.integers(len(group), size=N)]
    return sets


def lying_in_ice(part: float, seed: int, n: int = 400) -> Floats:
    """Draw poses, ``part`` of which show an axis of the map near the normal of the ice."""
    rng = np.random.default_rng(seed)
    lying = turned(np.repeat(rotations(1, seed), n, axis=0), 20.0, rng)
    lying = turn_in_plane(torch.from_numpy(rng.uniform(0, 2 * np.pi, n))).numpy() @ lying
    is_lying = rng.random(n) < part
    return np.where(is_lying[:, None, None], lying, rotations(n, seed + 1))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("symmetry", ["C1", "D2"])
def test_pairs_tell_the_map_from_its_mirror_image(seed: int, symmetry: str) -> None:
    before, after = pairs(seed, symmetry)
    right = nc.hand(posed(after), posed(before), symmetry=symmetry, **ASKED)
    assert right.verdict == "right"
    assert right.measured_tilt_deg == pytest.approx(TILT, abs=3)
    assert right.measured_axis_deg == pytest.approx(AXIS, abs=6)
    before, after = (MIRROR @ each @ MIRROR for each in (before, after))
    mirrored = nc.hand(posed(after), posed(before), symmetry=symmetry, **ASKED)
    assert mirrored.verdict == "mirrored"


def test_what_is_not_tilted_not_paired_or_of_another_axis_cannot_be_told() -> None:
    before, after = pairs(0)
    again = turned(before, 3.0, np.random.default_rng(5))
    untilted = nc.hand(posed(again), posed(before), **ASKED)
    unpaired = nc.hand(posed(np.roll(after, 1, axis=0)), posed(before), **ASKED)
    other_axis = nc.hand(posed(after), posed(before), tilt_deg=TILT, axis_deg=AXIS + 90)
    no_axis = nc.hand(posed(after), posed(before), tilt_deg=TILT)
    few = after.copy()
    few[4:] = rotations(N - 4, 77)  # four pairs of sixty agree, as a tilt has it
    exact = nc.hand(posed(np.concatenate([TURN @ before[:4], few[4:]])), posed(before), **ASKED)
    assert "no turn is common" in exact.why
    for found in (untilted, unpaired, other_axis, no_axis, exact):
        assert found.verdict == "cannot be told"
    assert "neither 30 about 70" in untilted.why
    assert "no turn is common" in unpaired.why
    assert "name the axis" in no_axis.why


def test_tilted_views_tell_where_particles_lie_in_the_ice_one_way() -> None:
    lying = lying_in_ice(0.7, 3)
    tilted = TURN @ lying
    assert nc.hand(posed(tilted), **ASKED).verdict == "right"
    assert nc.hand(posed(MIRROR @ tilted @ MIRROR), **ASKED).verdict == "mirrored"
    # The same particles untilted, and tilted ones that lie anyhow.
    for poses in (lying, TURN @ lying_in_ice(0.0, 3)):
        assert nc.hand(posed(poses), **ASKED).verdict == "cannot be told"


def test_images_searched_with_the_mirror_image_tell_so() -> None:
    """At an SNR of 0.1, poses of both stacks found by a search with the map's mirror image."""
    density, rng, n = demo_density(32, 8.0), np.random.default_rng(1), 30
    mirrored = replace(density, voxels=np.roll(density.voxels[::-1], 1, axis=0).copy())
    views, found = rotations(n, 4), []
    for matrices in (views, TURN @ views):
        clean = nc.project(density, posed(matrices), device="cpu")
        noise = rng.normal(0, (clean.var((1, 2)).mean() / 0.1) ** 0.5, clean.shape)
        images = nc.ArrayImages((clean + noise).astype(np.float32), 8.0)
        stack = nc.ParticleSet(images, None, None, np.zeros(n, dtype=np.int64))
        found.append(nc.search(stack, mirrored, device="cpu"))
    before, after = found
    assert nc.hand(after, before, **ASKED).verdict == "mirrored"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"tilt_deg": 3.0}, "does not tell the two hands apart"),
        ({"axis_deg": None}, "name it"),
    ],
)
def test_too_small_a_tilt_and_no_axis_are_refused(change: dict[str, float], what: str) -> None:
    with pytest.raises(nc.InputError, match=what):
        nc.hand(posed(rotations(20, 0)), **(ASKED | change))


def test_few_particles_and_sets_of_two_lengths_are_refused() -> None:
    with pytest.raises(nc.InputError, match="10 are needed"):
        nc.hand(posed(rotations(9, 0)), **ASKED)
    with pytest.raises(nc.InputError, match="20 poses and 19"):
        nc.hand(posed(rotations(19, 0)), posed(rotations(20, 0)), **ASKED)


def star_of(matrices: Floats, path: Path, **columns: object) -> Path:
    """Write poses with more columns, each a value for all or one a particle."""
    n = len(matrices)
    same = np.ones(n)
    defocus = np.asarray(columns.pop("defocus", 1e4 * same))
    ctf = CtfParameters(
        *(defocus, defocus, 0 * same, 0 * same, 300 * same, 2.7 * same, 0.1 * same),
        *(0 * same, same),
    )
    star = new_particle_star("s.mrcs", posed(matrices), box=64, pixel_size_angstrom=2.0, ctf=ctf)
    block = star.blocks[1]
    more = {name: list(map(str, np.broadcast_to(np.asarray(v), n))) for name, v in columns.items()}
    table = block.table.assign(**more)
    whole: StarFile = star.with_block(replace(block, table=table))
    write_star(whole, path)
    return path


def test_the_command_pairs_by_name_and_takes_the_tilt_from_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = pairs(1)
    names, order = np.array([f"p{i}" for i in range(N)]), np.random.default_rng(0).permutation(N)
    first = star_of(before, tmp_path / "untilted.star", rlnParticleName=names)
    second = star_of(
        after[order],
        tmp_path / "tilted.star",
        rlnParticleName=names[order],
        rlnMicrographTiltAngle=TILT,
        rlnMicrographTiltAxisDirection=AXIS,
    )
    status, printed, _ = call(capsys, "hand", second, "--untilted", first, "--json")
    assert status == 0
    said = json.loads(printed.splitlines()[-1])
    assert said["hand"] == "right"
    assert said["n"] == N
    assert said["sentence"] in printed.splitlines()[0]


def test_what_the_files_lack_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    star = star_of(rotations(20, 0), tmp_path / "t.star")
    other = star_of(rotations(19, 0), tmp_path / "u.star")
    for arguments, what in (
        ((), "how far the specimen was tilted"),
        (("--tilt", 30), "the axis of the tilt"),
        (("--tilt", 30, "--axis", 0, "--untilted", other), "rlnParticleName"),
    ):
        status, _, errors = call(capsys, "hand", star, *arguments)
        assert status == 2
        assert what in errors


def test_the_defocus_across_micrographs_tells_the_axis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, n = np.random.default_rng(0), 400
    tilted = TURN @ lying_in_ice(0.8, 7, n)
    x, y = rng.uniform(0, 4000, (2, n))
    normal = TURN[:, 2]
    height = -(normal[0] * x + normal[1] * y) / normal[2] * 2.0  # of the plane, 2 A a pixel
    micrograph = np.arange(n) // 50
    star = star_of(
        tilted,
        tmp_path / "t.star",
        defocus=1e4 + 500.0 * micrograph - height + rng.normal(0, 200, n),
        rlnCoordinateX=x,
        rlnCoordinateY=y,
        rlnMicrographName=np.array([f"m{i}.mrc" for i in micrograph]),
    )
    assert axis_of_defocus(read_poses(star, keep_star=True)) == pytest.approx(AXIS, abs=2)
    status, printed, said = call(capsys, "hand", star, "--tilt", TILT)
    assert status == 0
    assert "has the hand of the molecule" in printed
    assert "from the defocus" in said
