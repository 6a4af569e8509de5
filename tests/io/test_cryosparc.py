"""cryoSPARC's particles read and poses written back: frames, units, signs, fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.io.star import read_particles, read_star, write_poses
from napari_cryoorient.particles import Poses
from support.cs_files import ALIGNMENT_PIXEL, ALIGNMENTS, BLOB, CTF, PIXEL, a_stack, records, write

N = 6
EVERYTHING = (*BLOB, *CTF, *ALIGNMENTS)


@pytest.fixture
def images(tmp_path: Path) -> np.ndarray:
    """A project folder with a stack two folders down, where the ``.cs`` files say it is."""
    return a_stack(tmp_path / "J5" / "extract" / "stack.mrc", N)


@pytest.fixture
def whole(tmp_path: Path, images: np.ndarray) -> Path:
    return write(tmp_path / "J7" / "cryosparc_P1_J7_particles.cs", records(*EVERYTHING))


def some_poses(n: int = N) -> Poses:
    rng = np.random.default_rng(5)
    return Poses(Rotation.random(n, random_state=6).as_matrix(), rng.normal(size=(n, 2)) * 4)


def rodrigues(vectors: np.ndarray) -> np.ndarray:
    """The exponential of the cross-product matrix, by its series: no convention to mistake."""
    x, y, z = vectors.T.astype(np.float64)
    o = np.zeros_like(x)
    k = np.array([[o, -z, y], [z, o, -x], [-y, x, o]]).transpose(2, 0, 1)
    term = total = np.broadcast_to(np.eye(3), k.shape)
    for i in range(1, 40):
        term = term @ k / i
        total = total + term
    return total


def test_what_is_read(whole: Path, images: np.ndarray) -> None:
    particles, star = read_particles(whole)
    made = records(*EVERYTHING)
    assert particles.pixel_size_angstrom == pytest.approx(PIXEL)
    np.testing.assert_array_equal(particles.images.read(np.arange(N)), images[::-1])
    assert particles.names[0] == "000006@J5/extract/stack.mrc"
    a = rodrigues(made["alignments3D/pose"]).transpose(0, 2, 1)
    np.testing.assert_allclose(particles.poses.rotations, a, atol=1e-6)
    # The object lies where the shift, RELION's origin, would move it away from.
    shifts = -made["alignments3D/shift"] * ALIGNMENT_PIXEL
    np.testing.assert_allclose(particles.poses.shifts_angstrom, shifts, atol=2e-6)
    ctf = particles.ctf
    np.testing.assert_allclose(ctf.defocus_u_angstrom, made["ctf/df1_A"])
    np.testing.assert_allclose(ctf.defocus_v_angstrom, made["ctf/df2_A"])
    degrees = np.rad2deg(made["ctf/df_angle_rad"].astype(float))
    np.testing.assert_allclose(ctf.defocus_angle_deg, degrees, atol=1e-6)
    degrees = np.rad2deg(made["ctf/phase_shift_rad"].astype(float))
    np.testing.assert_allclose(ctf.phase_shift_deg, degrees, atol=1e-6)
    np.testing.assert_allclose(ctf.spherical_aberration_mm, 2.7)
    assert particles.random_subset.tolist() == [1, 2, 1, 2, 1, 2]
    assert particles.optics_group.tolist() == [1, 2, 1, 2, 1, 2]
    assert star.block("optics").table["rlnOpticsGroupName"].tolist() == [
        "exposureGroup7_1",
        "exposureGroup8_2",
    ]


def test_star_and_cs_of_one_set_of_poses_say_the_same(whole: Path, tmp_path: Path) -> None:
    _, star = read_particles(whole)
    poses = some_poses()
    write_poses(star, poses, tmp_path / "out.cs")
    write_poses(star, poses, tmp_path / "out.star")
    written = np.load(tmp_path / "out.cs")
    table = read_star(tmp_path / "out.star").block("particles").table
    angles = table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].astype(float).to_numpy()
    s = Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix()
    np.testing.assert_allclose(rodrigues(written["alignments3D/pose"]), s, atol=2e-6)
    origins = table[["rlnOriginXAngst", "rlnOriginYAngst"]].astype(float).to_numpy()
    pixels = written["alignments3D/psize_A"][:, None]
    np.testing.assert_allclose(written["alignments3D/shift"] * pixels, origins, atol=2e-6)
    # And both are the poses they were made of.
    for name in ("out.cs", "out.star"):
        again = read_pose_table(tmp_path / name).poses
        np.testing.assert_allclose(again.rotations, poses.rotations, atol=2e-6)
        np.testing.assert_allclose(again.shifts_angstrom, poses.shifts_angstrom, atol=2e-6)


def test_every_other_field_is_kept(whole: Path, tmp_path: Path) -> None:
    _, star = read_particles(whole)
    rows = np.array([4, 0, 3])
    write_poses(
        star, some_poses(3), tmp_path / "out.cs", rows=rows, confidence=np.array([0.5, 1.0, 0.25])
    )
    written, made = np.load(tmp_path / "out.cs"), records(*EVERYTHING)
    assert written.dtype.names == (*made.dtype.names, "cryoorient/confidence")
    for name in made.dtype.names:
        assert written.dtype[name] == made.dtype[name], name
        if name not in ("alignments3D/pose", "alignments3D/shift"):
            np.testing.assert_array_equal(written[name], made[name][rows], err_msg=name)
    table = read_star(tmp_path / "out.cs").block("particles").table
    assert [float(c) for c in table["rlnParticleFigureOfMerit"]] == [0.5, 1.0, 0.25]
    assert np.array_equal(np.load(whole), made)  # the file that was read stays as it was


def test_particles_never_aligned_get_the_fields_of_a_pose(
    images: np.ndarray, tmp_path: Path
) -> None:
    bare = write(tmp_path / "J5" / "extracted_particles.cs", records(*BLOB, *CTF))
    particles, star = read_particles(bare)
    assert particles.poses is None
    poses = some_poses()
    write_poses(star, poses, tmp_path / "out.cs")
    written = np.load(tmp_path / "out.cs")
    for name, kind, *shape in ALIGNMENTS:
        assert written.dtype[name] == np.dtype((kind, *(shape or [()]))), name
    assert (written["alignments3D/psize_A"] == np.float32(PIXEL)).all()
    assert set(written["alignments3D/split"]) == {0, 1}
    assert (written["alignments3D/alpha"] == 1).all()
    again, _ = read_particles(tmp_path / "out.cs", project_dir=tmp_path)
    np.testing.assert_allclose(again.poses.rotations, poses.rotations, atol=2e-6)
    np.testing.assert_allclose(again.poses.shifts_angstrom, poses.shifts_angstrom, atol=2e-6)


def test_passthrough_is_merged_by_uid(images: np.ndarray, tmp_path: Path) -> None:
    made = records(*EVERYTHING)
    folder = tmp_path / "J9"
    main = ["uid", *(name for name, *_ in ALIGNMENTS)]
    rest = ["uid", *(name for name, *_ in (*BLOB[1:], *CTF))]
    own = write(folder / "cryosparc_P3_J9_007_particles.cs", made[main])
    order = np.array([3, 5, 0, 4, 1, 2])
    write(folder / "P3_J9_passthrough_particles.cs", made[rest][order])
    wrong = made[rest].copy()
    wrong["ctf/df1_A"] = 1.0
    write(folder / "P3_J8_passthrough_particles.cs", wrong)  # another job's
    particles, star = read_particles(own)
    np.testing.assert_allclose(particles.ctf.defocus_u_angstrom, made["ctf/df1_A"])
    np.testing.assert_array_equal(particles.images.read(np.arange(N)), images[::-1])
    assert any("P3_J9_passthrough_particles.cs" in note for note in particles.notes)
    write_poses(star, particles.poses, tmp_path / "out.cs")
    written = np.load(tmp_path / "out.cs")
    assert set(written.dtype.names) == set(made.dtype.names)
    np.testing.assert_array_equal(written["blob/idx"], made["blob/idx"])


def test_passthrough_of_other_particles_is_no_help(images: np.ndarray, tmp_path: Path) -> None:
    made = records(*EVERYTHING)
    own = write(tmp_path / "J9" / "cryosparc_P3_J9_particles.cs", made[["uid"]])
    write(tmp_path / "J9" / "P3_J9_passthrough_particles.cs", made[1:])
    with pytest.raises(InputError, match=r"has no blob/path, blob/idx.*passthrough file beside it"):
        read_particles(own)


def test_dark_images_are_negated(images: np.ndarray, tmp_path: Path) -> None:
    made = records(*EVERYTHING)
    made["blob/sign"] = [-1, 1, 1, -1, 1, 1]
    particles, _ = read_particles(write(tmp_path / "J7" / "some.cs", made))
    expected = images[::-1] * np.array([-1, 1, 1, -1, 1, 1])[:, None, None]
    np.testing.assert_array_equal(particles.images.read(np.array([3, 0, 1])), expected[[3, 0, 1]])
    assert any("blob/sign is -1 for 2 of 6 particles" in note for note in particles.notes)


def test_of_several_classes_the_most_probable_counts(images: np.ndarray, tmp_path: Path) -> None:
    fields = [
        (f"alignments_class_{k}/{name}", *kind)
        for k in (0, 1)
        for name, *kind in (
            ("pose", "<f4", (3,)),
            ("shift", "<f4", (2,)),
            ("psize_A", "<f4"),
            ("class_posterior", "<f4"),
        )
    ]
    made = records(*BLOB, *CTF, *fields)
    made["alignments_class_0/class_posterior"] = [0.9, 0.2, 0.9, 0.2, 0.9, 0.2]
    made["alignments_class_1/class_posterior"] = 0.5
    particles, _ = read_particles(write(tmp_path / "J7" / "abinitio.cs", made))
    vectors = made["alignments_class_0/pose"].copy()
    vectors[1::2] = made["alignments_class_1/pose"][1::2]
    a = rodrigues(vectors).transpose(0, 2, 1)
    np.testing.assert_allclose(particles.poses.rotations, a, atol=2e-6)


MULTI = (
    ("alignments3D_multi/pose", "<f4", (3, 3)),
    ("alignments3D_multi/shift", "<f4", (3, 2)),
    ("alignments3D_multi/psize_A", "<f4", (3,)),
    ("alignments3D_multi/class_posterior", "<f4", (3,)),
)


def test_of_all_classes_in_one_field_the_most_probable_counts(
    images: np.ndarray, tmp_path: Path
) -> None:
    made = records(*BLOB, *CTF, *MULTI)
    best = np.array([2, 0, 1, 1, 2, 0])
    made["alignments3D_multi/class_posterior"] = np.eye(3)[best]
    made["alignments3D_multi/psize_A"] = 3.0
    particles, _ = read_particles(write(tmp_path / "J7" / "hetero.cs", made))
    vectors = made["alignments3D_multi/pose"][np.arange(N), best]
    a = rodrigues(vectors).transpose(0, 2, 1)
    np.testing.assert_allclose(particles.poses.rotations, a, atol=2e-6)
    shifts = -3.0 * made["alignments3D_multi/shift"][np.arange(N), best]
    np.testing.assert_allclose(particles.poses.shifts_angstrom, shifts, atol=2e-6)
    assert "poses are those of each particle's most probable class" in particles.notes
    made["alignments3D_multi/class_posterior"][:2] = 0.3
    particles, _ = read_particles(write(tmp_path / "J7" / "equal.cs", made))
    assert any("; 2 have several as probable" in note for note in particles.notes)


def test_classes_without_a_posterior_have_no_poses(images: np.ndarray, tmp_path: Path) -> None:
    particles, _ = read_particles(
        write(tmp_path / "J7" / "hetero.cs", records(*BLOB, *CTF, *MULTI[:3]))
    )
    assert particles.poses is None
    (note,) = (note for note in particles.notes if note.startswith("no poses"))
    assert "of 3 classes and no class_posterior" in note
    one_class = [(name, kind, (1, *shape[1:])) for name, kind, shape in MULTI[:3]]
    particles, _ = read_particles(
        write(tmp_path / "J7" / "one.cs", records(*BLOB, *CTF, *one_class))
    )
    assert len(particles.poses) == N


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ((("alignments3D/pose", "<f4", (6, 3)),), r"alignments3D/pose of shape \(6, 6, 3\)"),
        ((("alignments3D/pose", "<f4", (3,)),), "has poses and no alignments3D/shift"),
        (
            (MULTI[0], ("alignments3D_multi/shift", "<f4", (2,))),
            "alignments3D_multi/shift of shape",
        ),
        ((("alignments3D_multi/pose", "<f4", (3,)),), "alignments3D_multi/pose of shape"),
    ],
)
def test_fields_of_another_shape_are_told(images, tmp_path: Path, fields, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_particles(write(tmp_path / "J7" / "odd.cs", records(*BLOB, *CTF, *fields)))


MAIN_FIELDS = ["uid", *(name for name, *_ in ALIGNMENTS)]
REST_FIELDS = ["uid", *(name for name, *_ in (*BLOB[1:], *CTF))]


@pytest.mark.parametrize("where", ["main", "passthrough"])
def test_particles_that_share_a_uid_are_never_paired(images, tmp_path: Path, where: str) -> None:
    made = records(*EVERYTHING)
    main, rest = made[MAIN_FIELDS].copy(), np.concatenate([made[REST_FIELDS], made[REST_FIELDS]])
    if where == "main":
        main["uid"][:2], rest = main["uid"][2], made[REST_FIELDS]
    own = write(tmp_path / "J9" / "cryosparc_P3_J9_007_particles.cs", main)
    write(tmp_path / "J9" / "P3_J9_passthrough_particles.cs", rest)
    n = 3 if where == "main" else 12
    with pytest.raises(InputError, match=f"has {n} particles that share their uid"):
        read_particles(own)


def test_a_shared_uid_is_told_where_nothing_is_paired(images, tmp_path: Path) -> None:
    made = records(*EVERYTHING)
    made["uid"] = 0
    particles, _ = read_particles(write(tmp_path / "J7" / "own.cs", made))
    np.testing.assert_allclose(particles.ctf.defocus_u_angstrom, made["ctf/df1_A"])
    assert "6 of 6 particles share their uid with another" in particles.notes


def test_particles_missing_from_a_passthrough_are_counted(images, tmp_path: Path) -> None:
    made = records(*EVERYTHING)
    main = ["uid", *(name for name, *_ in BLOB[1:])]
    own = write(tmp_path / "J9" / "cryosparc_P3_J9_007_particles.cs", made[main])
    write(tmp_path / "J9" / "P3_J9_passthrough_particles.cs", made[2:])
    particles, _ = read_particles(own)
    said = "P3_J9_passthrough_particles.cs left aside: 2 of the 6 particles (uid)"
    assert any(note.startswith(said) for note in particles.notes)
    (tmp_path / "J9" / "P3_J9_passthrough_particles.cs").write_bytes(b"no such thing")
    particles, _ = read_particles(own)
    assert any("is not a .cs file as cryoSPARC writes it" in note for note in particles.notes)


def test_a_results_group_names_its_files(tmp_path: Path) -> None:
    path = tmp_path / "J9_particles.csg"
    path.write_text(
        "created: 2020-01-01\ngroup:\n  name: particles\nresults:\n  alignments3D:\n"
        "    metafile: '>J9_particles.cs'\n  blob:\n    metafile: '>J9_passthrough.cs'\n"
    )
    with pytest.raises(InputError, match=r"give the .cs file it names \(J9_particles.cs, J9_pass"):
        read_particles(path)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda b: b"\x94CSDAT" + b, "compressed form"),
        (lambda b: b"hello" + b, "not a .cs file"),
        (lambda b: b[:-40], "is damaged"),
        (lambda b: b.replace(b"'uid'", b"'iud'"), "has no field uid"),
    ],
)
def test_what_is_no_cs_file_is_told(whole: Path, tmp_path: Path, spoil, sentence: str) -> None:
    path = tmp_path / "bad.cs"
    path.write_bytes(spoil(whole.read_bytes()))
    with pytest.raises(InputError, match=sentence):
        read_particles(path)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "objects.cs"
    with path.open("wb") as file:
        np.save(file, np.array([(1, "text")], dtype=[("uid", "<u8"), ("blob/path", object)]))
    with pytest.raises(InputError, match="holds Python objects"):
        read_particles(path)


def test_numbers_that_are_none_are_told(images: np.ndarray, tmp_path: Path) -> None:
    made = records(*EVERYTHING)
    made["ctf/df2_A"][3] = np.nan
    with pytest.raises(InputError, match="row 4 has no finite number in ctf/df2_A"):
        read_particles(write(tmp_path / "J7" / "nan.cs", made))


def test_files_that_must_not_be_written(whole: Path, tmp_path: Path) -> None:
    particles, star = read_particles(whole)
    with pytest.raises(InputError, match="would be overwritten"):
        write_poses(star, particles.poses, whole)
    write_poses(star, particles.poses, tmp_path / "out.star")
    _, plain = read_particles(tmp_path / "out.star", project_dir=tmp_path)
    with pytest.raises(InputError, match="cannot be written from"):
        write_poses(plain, particles.poses, tmp_path / "out.cs")
    assert not (tmp_path / "out.cs").exists()
