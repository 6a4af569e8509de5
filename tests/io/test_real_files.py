"""Real files, each read rightly or refused in one sentence."""

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.stacks import MrcStackCollection
from napari_cryoorient.io.star import read_particles, write_poses

READ = {  # box, pixel size, what a note says
    "maps/bad_machine_stamp_vp6.mrc": (96, 1.23, "machine stamp"),
    "maps/bgal_D2_96px_2.2A.mrc": (96, 2.2, None),
    "maps/bgal_real_D2_100px_3.54A.mrc": (100, 3.54, None),
    "maps/emd_1832.map": (64, 5.7, None),
    "maps/noncubic_5j0n.mrc": (76, 3.6667, "69 x 57 x 75"),
    "maps/ribosome70S_C1_96px_4.0A.mrc": (96, 4.0, None),
    "maps/t20s_D7_96px_2.2A.mrc": (96, 2.2, None),
    "awkward_mrc/EMD-3197.map": (20, 11.4, None),
    "awkward_mrc/emd_3197.map.gz": (20, 11.4, None),
    "awkward_mrc/cropped_vol_ref.mrc": (42, 1.06, "odd box of 41"),
}
REFUSED = {
    "maps/ribosome70S_C1_65px.mrc": "--pixel-size",
    "awkward_mrc/Custom_movie.mrc": "--pixel-size",
    "awkward_mrc/EMD-3001.map.bz2": "skewed unit cell",
    "awkward_mrc/empty.map": "empty",
    "odd_star/toy.star": "STAR file",
    "particles/empiar10061_bgal/particles_192_1.274A.mrcs": "stack of 101 images",
}


@pytest.mark.parametrize(("name", "expected"), READ.items(), ids=READ.keys())
def test_maps_are_read(shared_data, name, expected):
    box, pixel_size, note = expected
    density = read_map(shared_data / name)
    assert density.voxels.shape == (box, box, box)
    assert density.pixel_size_angstrom == pytest.approx(pixel_size, rel=1e-4)
    assert np.isfinite(density.voxels).all()
    assert any(note in text for text in density.notes) if note else density.notes == ()


@pytest.mark.parametrize(("name", "said"), REFUSED.items(), ids=REFUSED.keys())
def test_files_that_are_no_map_are_refused(shared_data, name, said):
    with pytest.raises(InputError, match=said):
        read_map(shared_data / name)


def test_the_65_voxel_ribosome_keeps_its_centre(shared_data):
    path = shared_data / "maps/ribosome70S_C1_65px.mrc"
    density = read_map(path, pixel_size_angstrom=5.0)
    raw = np.frombuffer(path.read_bytes()[1024:], "<f4").reshape(65, 65, 65)
    assert density.box == 66
    np.testing.assert_array_equal(density.voxels[33:, 33:, 33:], raw[32:, 32:, 32:])


def test_a_movie_of_unsigned_integers_is_read_as_images(shared_data):
    source = MrcStackCollection.of_one(shared_data / "awkward_mrc/Custom_movie.mrc", 1.0)
    assert source.read(np.arange(30)).shape == (30, 16, 16)


@pytest.mark.parametrize(
    ("model", "reference", "pixel_size", "agreement"),
    [
        ("5a1a", "bgal_D2_96px_2.2A", 2.2, 0.98),
        ("t20s_1pma_D7", "t20s_D7_96px_2.2A", 2.2, 0.98),
        ("ribosome70S", "ribosome70S_C1_96px_4.0A", 4.0, 0.9),
    ],
)
def test_models_agree_with_maps_others_made_of_them(
    shared_data, model, reference, pixel_size, agreement
):
    expected = read_map(shared_data / f"maps/{reference}.mrc").voxels
    found = read_map(
        shared_data / f"models/{model}.pdb.gz",
        box=96,
        pixel_size_angstrom=pixel_size,
        resolution_angstrom=8.0,
    ).voxels
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > agreement


PARTICLES = {  # particles, box, pixel size, has poses, has CTF, what a note says
    "aspire_sample/sample_particles_relion30": (17, 200, 1.338, True, True, "rlnNormCorrection"),
    "aspire_sample/sample_particles_relion31": (17, 200, 1.4, True, True, "rlnMtfFileName"),
    "aspire_sample/sample_incomplete_ctf_params": (1, 200, 1.338, True, False, "rlnVoltage"),
    "empiar10061_bgal/particles_192_1.274A": (101, 192, 1.274, False, True, "no poses"),
    "relion31_five/relion31": (5, 256, 2.806, True, True, "MAP identifier"),
    "relion31_five/relion31.v2": (5, 256, 2.806, True, True, "machine stamp"),
}


@pytest.mark.parametrize(("name", "expected"), PARTICLES.items(), ids=PARTICLES.keys())
def test_particles_are_read(shared_data, name, expected):
    n, box, pixel_size, has_poses, has_ctf, note = expected
    found, _ = read_particles(shared_data / f"particles/{name}.star")
    assert (len(found), found.box) == (n, box)
    assert found.pixel_size_angstrom == pytest.approx(pixel_size, rel=1e-5)
    assert (found.poses is not None, found.ctf is not None) == (has_poses, has_ctf)
    assert any(note in text for text in found.notes) if note else found.notes == ()
    assert found.images.read(np.array([0])).std() > 0


def test_two_microscopes_in_one_file(shared_data):
    found, _ = read_particles(
        shared_data / "particles/aspire_sample/sample_particles_relion31.star"
    )
    assert set(zip(found.optics_group, found.ctf.voltage_kv, strict=True)) == {(1, 300), (2, 200)}


ODD_STAR = {
    "cistem_first2rows": "_rlnImageName",
    "cryolike_apoferritin_particle_data": "_rlnImageName",
    "not_a_particle_star": "mmCIF",
    "one_loop": "three-dimensional",
    "postprocess": "_rlnImageName",
    "sample_relion_data": r"sample\.mrcs named in .* was not found",
    "toy": r"toy_projections\.mrcs named in .* was not found",
}


@pytest.mark.parametrize(("name", "said"), ODD_STAR.items(), ids=ODD_STAR.keys())
def test_odd_star_files_are_refused_in_one_sentence(shared_data, name, said):
    with pytest.raises(InputError, match=said) as failure:
        read_particles(shared_data / f"odd_star/{name}.star")
    assert "\n" not in str(failure.value)


def test_a_star_file_apart_from_its_stack_is_read_with_the_folder_named(shared_data):
    found, _ = read_particles(
        shared_data / "odd_star/sample_relion_data.star",
        project_dir=shared_data / "particles/aspire_sample",
    )
    assert (len(found), found.box) == (17, 200)


@pytest.mark.parametrize(
    "name", [name for name, expected in PARTICLES.items() if expected[3]], ids=str
)
def test_poses_come_back_to_the_last_digit(shared_data, tmp_path, name):
    path = shared_data / f"particles/{name}.star"
    before, star = read_particles(path)
    write_poses(star, before.poses, tmp_path / "out.star", confidence=np.ones(len(before)))
    after, written = read_particles(tmp_path / "out.star", project_dir=path.parent)
    np.testing.assert_allclose(after.poses.rotations, before.poses.rotations, atol=2e-8)
    np.testing.assert_allclose(after.poses.shifts_angstrom, before.poses.shifts_angstrom, atol=2e-6)
    for old, new in zip(star.blocks, written.blocks, strict=True):
        for column in old.table.columns:
            if column.startswith(("rlnAngle", "rlnOrigin")):
                # All of these files keep rot and psi within -180 .. 180, so numbers compare.
                numbers = old.table[column].astype(float), new.table[column].astype(float)
                np.testing.assert_allclose(numbers[1], numbers[0], atol=1.01e-6)
            else:
                assert new.table[column].tolist() == old.table[column].tolist()


def test_the_object_lies_at_minus_the_origin(shared_data):
    folder = shared_data / "relion_project"
    centred, _ = read_particles(folder / "rln_proj_64_centered.star")
    shifted, _ = read_particles(folder / "rln_proj_64_shifted.star")
    assert np.abs(centred.poses.shifts_angstrom).max() == 0
    every = np.arange(4)
    at_centre, moved = centred.images.read(every), shifted.images.read(every)
    pixels = np.round(shifted.poses.shifts_angstrom / shifted.pixel_size_angstrom).astype(int)
    for i, (x, y) in enumerate(pixels):
        back = np.roll(moved[i], (-y, -x), (0, 1))
        assert np.corrcoef(back.ravel(), at_centre[i].ravel())[0, 1] > 0.99
