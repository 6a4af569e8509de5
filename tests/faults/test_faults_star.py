"""Inputs that were misread once: STAR blocks, image names, stacks, half-sets, cryoSPARC records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.io.star import read_particles, read_star
from support.faults import median_error_deg, run


@pytest.mark.parametrize("name", ["some_rows_data_prefix", "at_in_stack_name", "mrcs_suffix_colon"])
def test_all_particles_are_refined_and_their_names_kept(case, name: str):
    case(name)
    assert run("refine p.star --map map.mrc -o out.star") == 0
    before, after = (read_star(path).blocks[-1].table for path in ("p.star", "out.star"))
    assert len(after) == 40
    for column in ("rlnImageName", "rlnMicrographName"):
        if column in before:
            assert before[column].tolist() == after[column].tolist()
    np.testing.assert_allclose(
        read_pose_table("out.star").ctf.defocus_u_angstrom,
        read_pose_table("p.star").ctf.defocus_u_angstrom,
    )
    found, true = read_pose_table("out.star").poses, read_pose_table("truth.star").poses
    turns = np.einsum("nij,nij->n", found.rotations, true.rotations)
    assert np.median(np.degrees(np.arccos(((turns - 1) / 2).clip(-1, 1)))) < 0.7


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cat_two_stars", "p.star has data_particles 2 times (lines 20 and 76 ...)"),
        ("relion5_2d_tilt_stacks", "p.star lists particles of tilt series (it has _rlnTomoName)"),
    ],
)
def test_files_of_something_else_are_refused(case, capsys, name: str, said: str):
    case(name)
    assert run("refine p.star --map map.mrc -o out.star") == 2
    assert said in capsys.readouterr().err
    assert not Path("out.star").exists()


def test_a_second_block_without_a_name_stays_as_it_is(case):
    case("two_anonymous_blocks")
    assert run("refine p.star --map map.mrc -o out.star") == 0
    particles, other = read_star("out.star").blocks
    assert len(particles.table) == 40
    assert other.table.equals(read_star("p.star").blocks[1].table)
    assert median_error_deg("out.star") < 0.7


def test_the_stack_beside_the_star_file_comes_before_that_of_the_working_folder(case, capsys):
    folder = case("stack_of_same_name_in_cwd")
    assert run("reconstruct job/p.star -o map_of_it.mrc") == 0
    said = capsys.readouterr().err
    assert f"particles.mrcs lies in {folder / 'job'} and in {folder}; that in" in said
    particles, _ = read_particles("job/p.star")
    own = np.fromfile("job/particles.mrcs", np.float32, offset=1024).reshape(40, 32, 32)
    np.testing.assert_array_equal(particles.images.read(np.arange(40)), own)


def test_half_sets_may_be_called_0_and_1(case, capsys):
    case("subset_0_1")
    assert run("reconstruct p.star -o r.mrc --half-maps") == 0
    assert "(its values 0 and 1 in place of 1 and 2): 20 and 20." in capsys.readouterr().err
    assert Path("r_half2.mrc").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("classes_without_posterior", "the file has those of 2 classes and no class_posterior"),
        ("uids_not_unique", "40 particles that share their uid with another"),
    ],
)
def test_particles_whose_poses_cannot_be_told_are_refused(case, capsys, name: str, said: str):
    case(name)
    source = "J5/cryosparc_P1_J5_003_particles.cs"
    assert run(f"refine {source} --map map.mrc -o J5/out.star") == 2
    assert said in capsys.readouterr().err
    assert not Path("J5/out.star").exists()
