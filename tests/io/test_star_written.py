"""Poses written into STAR files: where they go, and that all else stays."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star import (
    new_particle_star,
    read_particles,
    read_star,
    write_poses,
    write_star,
)
from napari_cryoorient.particles import CtfParameters, Poses
from support.star_tables import BOX, FILES, MODERN, OLD, OPTICS, PIXEL, changed, without


def cells(block):
    return {name: block.table[name].tolist() for name in block.table.columns}


@pytest.mark.parametrize(("particles", "optics", "block"), FILES.values(), ids=FILES.keys())
def test_poses_written_unchanged_come_back_and_nothing_else_changes(
    write, tmp_path, particles, optics, block
):
    path = write(particles, optics, block)
    before, star = read_particles(path)
    write_poses(star, before.poses, tmp_path / "out.star")
    after, written = read_particles(tmp_path / "out.star")
    np.testing.assert_allclose(after.poses.rotations, before.poses.rotations, atol=2e-8)
    np.testing.assert_allclose(after.poses.shifts_angstrom, before.poses.shifts_angstrom, atol=2e-6)
    for old, new in zip(read_star(path).blocks, written.blocks, strict=True):
        new_cells = cells(new)
        for name, tokens in cells(old).items():
            if "Origin" in name or "Angle" in name[:8]:
                assert [float(t) for t in new_cells[name]] == pytest.approx(
                    [float(t) for t in tokens], abs=1.1e-6
                )
            else:
                assert new_cells[name] == tokens


@pytest.mark.parametrize(
    ("particles", "optics", "present", "absent"),
    [
        (MODERN, OPTICS, ["rlnOriginXAngst"], ["rlnOriginX"]),
        (OLD, None, ["rlnOriginX"], ["rlnOriginXAngst"]),
        (without(OLD, "rlnOriginX", "rlnOriginY"), None, ["rlnOriginX"], ["rlnOriginXAngst"]),
        (FILES["3.1-pixels"][0], OPTICS, ["rlnOriginX", "rlnOriginXAngst"], []),
        (without(MODERN, "rlnOriginXAngst"), OPTICS, ["rlnOriginXAngst"], ["rlnOriginX"]),
    ],
    ids=["3.1", "3.0", "3.0-none", "3.1-pixels", "3.1-half"],
)
def test_origins_go_where_that_version_of_relion_reads_them(
    write, tmp_path, particles, optics, present, absent
):
    _, star = read_particles(write(particles, optics))
    poses = Poses(np.tile(np.eye(3), (3, 1, 1)), np.array([[3.0, -6.0], [0, 0], [1.5, 0.75]]))
    write_poses(star, poses, tmp_path / "out.star")
    after, written = read_particles(tmp_path / "out.star")
    found = written.block("particles").table
    for name in present:
        scale = 1 if name.endswith("Angst") else PIXEL
        np.testing.assert_allclose(
            found[name].astype(float) * scale, -poses.shifts_angstrom[:, 0], atol=1e-5
        )
    assert not any(name in found for name in absent)
    np.testing.assert_allclose(after.poses.shifts_angstrom, poses.shifts_angstrom, atol=1e-5)


def test_zero_is_printed_without_a_sign(write, tmp_path):
    _, star = read_particles(write(MODERN, OPTICS))
    poses = Poses(np.tile(np.eye(3), (3, 1, 1)), np.full((3, 2), 1e-9))
    write_poses(star, poses, tmp_path / "out.star")
    assert "-0.000000" not in (tmp_path / "out.star").read_text()


def test_a_subset_with_confidence_keeps_rows_columns_and_their_order(write, tmp_path):
    extra = changed(MODERN, rlnRandomSubset=["1", "2", "1"], rlnMicrographName=["a", "b", "c"])
    before, star = read_particles(write(extra, OPTICS))
    rows = np.array([2, 0])
    write_poses(
        star, before.poses[rows], tmp_path / "out.star", confidence=np.array([0.9, 0.25]), rows=rows
    )
    after, written = read_particles(tmp_path / "out.star")
    found = written.block("particles").table
    assert list(found.columns) == [*extra, "rlnParticleFigureOfMerit"]
    assert found["rlnMicrographName"].tolist() == ["c", "a"]
    assert found["rlnParticleFigureOfMerit"].astype(float).tolist() == [0.9, 0.25]
    assert after.names == ("000003@stack.mrcs", "000001@stack.mrcs")
    np.testing.assert_allclose(after.poses.rotations, before.poses.rotations[rows], atol=2e-8)


def test_poses_that_do_not_fit_the_rows_are_a_mistake(write, tmp_path):
    before, star = read_particles(write(MODERN, OPTICS))
    with pytest.raises(ValueError, match="2 poses for 3 rows"):
        write_poses(star, before.poses[:2], tmp_path / "out.star")
    wrong = Poses(before.poses.rotations, before.poses.shifts_angstrom * np.nan)
    with pytest.raises(InputError, match="not finite"):
        write_poses(star, wrong, tmp_path / "out.star")
    assert not (tmp_path / "out.star").exists()


def test_a_new_star_describes_its_stack(tmp_path, stack):
    rng = np.random.default_rng(3)
    poses = Poses(Rotation.random(3, rng=rng).as_matrix(), rng.normal(0, 4, (3, 2)))
    ctf = CtfParameters(
        *(np.array(values, dtype=float) for values in (
            [1e4, 2e4, 3e4], [0.9e4, 1.9e4, 2.9e4], [10, 20, 30], [0, 90, 0], [300, 200, 300],
            [2.7, 2.7, 2.7], [0.1, 0.1, 0.1], [0, 10, 20], [1, 1, 0.5],
        ))
    )  # fmt: skip
    star = new_particle_star(
        "stack.mrcs", poses, box=BOX, pixel_size_angstrom=PIXEL, ctf=ctf,
        random_subset=np.array([1, 2, 1]),
    )  # fmt: skip
    write_star(star, tmp_path / "new.star")
    found, _ = read_particles(tmp_path / "new.star")
    np.testing.assert_allclose(found.poses.rotations, poses.rotations, atol=2e-8)
    np.testing.assert_allclose(found.poses.shifts_angstrom, poses.shifts_angstrom, atol=1e-6)
    assert found.ctf.even_zernike is None
    for name, values in vars(ctf).items():
        if values is not None:
            np.testing.assert_allclose(getattr(found.ctf, name), values, atol=1e-6)
    assert found.optics_group.tolist() == [2, 1, 2]
    assert found.random_subset.tolist() == [1, 2, 1]
    assert found.notes == ()
