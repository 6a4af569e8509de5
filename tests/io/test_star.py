import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import (
    new_particle_star,
    read_particles,
    read_star,
    write_poses,
    write_star,
)
from napari_cryoorient.particles import CtfParameters, Poses

BOX, PIXEL = 16, 1.5
ANGLES = [(10.0, 20.0, 30.0), (-170.0, 90.0, 5.5), (100.25, 179.0, -60.125)]
ORIGINS = [(1.25, -2.5), (0.0, 0.0), (-7.125, 3.75)]  # angstrom


@pytest.fixture
def stack(tmp_path):
    images = np.random.default_rng(0).normal(size=(3, BOX, BOX)).astype(np.float32)
    with StackWriter(tmp_path / "stack.mrcs", 3, BOX, PIXEL) as writer:
        writer.append(images)
    return images


def table(block, columns):
    """Write a loop of ``columns``: name to a list of tokens."""
    names = "".join(f"_{name} #{i + 1}\n" for i, name in enumerate(columns))
    rows = "".join(" ".join(row) + "\n" for row in zip(*columns.values(), strict=True))
    return f"\ndata_{block}\n\nloop_\n{names}{rows}\n"


def poses_columns(unit="angstrom"):
    columns = {"rlnImageName": [f"{i + 1:06d}@stack.mrcs" for i in range(3)]}
    for i, name in enumerate(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")):
        columns[name] = [f"{angles[i]:.6f}" for angles in ANGLES]
    for i, name in enumerate(("rlnOriginX", "rlnOriginY")):
        if unit == "angstrom":
            columns[name + "Angst"] = [f"{origin[i]:.6f}" for origin in ORIGINS]
        else:
            columns[name] = [f"{origin[i] / PIXEL:.6f}" for origin in ORIGINS]
    return columns


OPTICS = {
    "rlnOpticsGroup": ["7", "3"],
    "rlnOpticsGroupName": ["a", "b"],
    "rlnVoltage": ["300.0", "200.0"],
    "rlnSphericalAberration": ["2.7", "0.01"],
    "rlnAmplitudeContrast": ["0.1", "0.07"],
    "rlnImagePixelSize": ["1.5", "1.5"],
    "rlnImageSize": ["16", "16"],
}
DEFOCUS = {
    "rlnDefocusU": ["10000.0", "12000.5", "15000"],
    "rlnDefocusV": ["9000.0", "11000", "14000"],
    "rlnDefocusAngle": ["45.0", "-10.0", "80.5"],
}
MODERN = poses_columns() | DEFOCUS | {"rlnOpticsGroup": ["3", "7", "3"]}
OLD = (
    poses_columns("pixels")
    | DEFOCUS
    | {
        "rlnVoltage": ["300"] * 3,
        "rlnSphericalAberration": ["2.7"] * 3,
        "rlnAmplitudeContrast": ["0.1"] * 3,
        "rlnDetectorPixelSize": ["6.0"] * 3,
        "rlnMagnification": ["40000.0"] * 3,
    }
)


@pytest.fixture
def write(tmp_path, stack):
    """Write a STAR beside the stack: particles first, then optics if any."""

    def write_star_text(particles, optics=None, block="particles", name="in.star"):
        path = tmp_path / name
        path.write_text(table(block, particles) + (table("optics", optics) if optics else ""))
        return path

    return write_star_text


def changed(columns, **new):
    return {**columns, **new}


def without(columns, *names):
    return {name: values for name, values in columns.items() if name not in names}


FILES = {
    "3.1": (MODERN, OPTICS, "particles"),
    "3.0": (OLD, None, "images"),
    "3.0-unnamed": (OLD, None, ""),
    "3.1-pixels": (
        changed(poses_columns("pixels"), **DEFOCUS, rlnOpticsGroup=["3", "7", "3"]),
        OPTICS,
        "particles",
    ),
}


@pytest.mark.parametrize(("particles", "optics", "block"), FILES.values(), ids=FILES.keys())
def test_every_version_gives_the_same_poses(write, stack, particles, optics, block):
    found, _ = read_particles(write(particles, optics, block))
    # A is the transpose of RELION's Euler matrix; the object lies at minus the origin.
    expected = Rotation.from_euler("ZYZ", ANGLES, degrees=True).as_matrix().transpose(0, 2, 1)
    np.testing.assert_allclose(found.poses.rotations, expected, atol=1e-9)
    np.testing.assert_allclose(found.poses.shifts_angstrom, -np.array(ORIGINS), atol=1e-6)
    assert found.pixel_size_angstrom == pytest.approx(PIXEL)
    np.testing.assert_array_equal(found.images.read(np.arange(3)), stack)
    assert found.notes == ()


def test_angstrom_wins_over_pixels(write):
    both = changed(MODERN, rlnOriginX=["99"] * 3, rlnOriginY=["99"] * 3)
    found, _ = read_particles(write(both, OPTICS))
    np.testing.assert_allclose(found.poses.shifts_angstrom, -np.array(ORIGINS), atol=1e-6)


def test_groups_numbered_from_any_number_give_each_particle_its_microscope(write):
    found, _ = read_particles(write(MODERN, OPTICS))
    assert found.optics_group.tolist() == [3, 7, 3]
    assert found.ctf.voltage_kv.tolist() == [200, 300, 200]
    assert found.ctf.spherical_aberration_mm.tolist() == [0.01, 2.7, 0.01]
    assert found.ctf.amplitude_contrast.tolist() == [0.07, 0.1, 0.07]
    assert found.ctf.defocus_u_angstrom.tolist() == [10000.0, 12000.5, 15000.0]
    assert found.ctf.phase_shift_deg.tolist() == [0, 0, 0]
    assert found.ctf.scale.tolist() == [1, 1, 1]


def test_phase_shift_envelope_and_scale_are_read(write):
    more = changed(
        MODERN,
        rlnPhaseShift=["90", "0", "10"],
        rlnCtfBfactor=["0", "50", "1"],
        rlnCtfScalefactor=["1", "0.5", "1"],
        rlnRandomSubset=["1", "2", "1"],
    )
    found, _ = read_particles(write(more, OPTICS))
    assert found.ctf.phase_shift_deg.tolist() == [90, 0, 10]
    assert found.ctf.b_factor_angstrom2.tolist() == [0, 50, 1]
    assert found.ctf.scale.tolist() == [1, 0.5, 1]
    assert found.random_subset.tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("flags", "state"),
    [
        ({}, "none"),
        ({"rlnCtfDataAreCtfPremultiplied": ["0", "0"]}, "none"),
        ({"rlnCtfDataAreCtfPremultiplied": ["1", "1"]}, "premultiplied"),
        ({"rlnCtfDataArePhaseFlipped": ["1", "1"]}, "phase-flipped"),
    ],
)
def test_what_was_done_with_the_ctf_is_told(write, flags, state):
    found, _ = read_particles(write(MODERN, changed(OPTICS, **flags)))
    assert found.ctf_state == state


@pytest.mark.parametrize("missing", ["rlnDefocusV", "rlnVoltage", "rlnAmplitudeContrast"])
def test_a_missing_ctf_column_is_named_and_there_is_no_ctf(write, missing):
    found, _ = read_particles(write(without(OLD, missing)))
    assert found.ctf is None
    assert found.poses is not None
    assert f"no CTF: the STAR lacks {missing}" in found.notes


@pytest.mark.parametrize(
    ("particles", "note"),
    [
        (without(MODERN, "rlnAnglePsi"), "lacks rlnAnglePsi"),
        (changed(MODERN, rlnAnglePsi=["1", "-999.000000", "2"]), "1 particles have an angle"),
    ],
    ids=["missing", "-999"],
)
def test_without_all_angles_there_are_no_poses(write, particles, note):
    found, _ = read_particles(write(particles, OPTICS))
    assert found.poses is None
    assert any(note in text for text in found.notes)


def test_a_smaller_box_changes_the_pixel_size_and_not_the_shifts(write):
    path = write(OLD)
    full, _ = read_particles(path)
    small, _ = read_particles(path, box=8)
    assert (small.box, small.pixel_size_angstrom) == (8, pytest.approx(2 * PIXEL))
    np.testing.assert_array_equal(small.poses.shifts_angstrom, full.poses.shifts_angstrom)


def test_the_stack_tells_the_pixel_size_where_the_star_does_not(write):
    found, star = read_particles(write(without(OLD, "rlnMagnification")))
    assert found.pixel_size_angstrom == pytest.approx(PIXEL)
    assert star.native_pixel_size_angstrom == pytest.approx(PIXEL)
    assert any("from the stack" in note for note in found.notes)


def test_a_header_that_says_otherwise_is_noted(write):
    found, _ = read_particles(write(changed(OLD, rlnMagnification=["20000"] * 3)))
    assert found.pixel_size_angstrom == pytest.approx(3.0)
    assert any("header says 1.5 A" in note for note in found.notes)


REFUSED = {
    "no-names": (without(MODERN, "rlnImageName"), OPTICS, "_rlnImageName"),
    "no-rows": ({name: [] for name in MODERN}, OPTICS, "no particles"),
    "no-stack": (
        changed(MODERN, rlnImageName=["1@gone.mrcs"] * 3),
        OPTICS,
        "gone.mrcs named in .* was not found",
    ),
    "beyond": (
        changed(MODERN, rlnImageName=["1@stack.mrcs", "4@stack.mrcs", "2@stack.mrcs"]),
        OPTICS,
        "row 2 asks for image 4 of .* holds images 1 to 3",
    ),
    "zero": (changed(MODERN, rlnImageName=["0@stack.mrcs"] * 3), OPTICS, "asks for image 0"),
    "odd-name": (changed(MODERN, rlnImageName=["x@stack.mrcs"] * 3), OPTICS, "000001@stack.mrcs"),
    "box": (MODERN, changed(OPTICS, rlnImageSize=["64", "64"]), "64 pixels .* the stack has 16"),
    "unknown-group": (changed(MODERN, rlnOpticsGroup=["3", "8", "3"]), OPTICS, "optics group 8"),
    "no-group": (without(MODERN, "rlnOpticsGroup"), OPTICS, "2 optics groups"),
    "zero-pixel-size": (MODERN, changed(OPTICS, rlnImagePixelSize=["0", "0"]), "positive"),
    "word": (changed(MODERN, rlnDefocusU=["1", "n/a", "3"]), OPTICS, "row 2 has 'n/a'"),
    "nan": (changed(MODERN, rlnAngleRot=["1", "nan", "3"]), OPTICS, "row 2 has 'nan'"),
    "subtomograms": (
        MODERN,
        changed(OPTICS, rlnImageDimensionality=["3", "3"]),
        "three-dimensional",
    ),
    "tilt-series": (
        changed(MODERN, rlnTomoName=["TS_1"] * 3),
        OPTICS,
        "tilt series .*_rlnTomoName",
    ),
    "no-number": (
        changed(MODERN, rlnImageName=["1@stack.mrcs", "stack.mrcs", "2@stack.mrcs"]),
        OPTICS,
        "row 2 names no image of .*stack.mrcs, which holds 3 images",
    ),
    "many-digits": (
        changed(MODERN, rlnImageName=["9" * 5000 + "@stack.mrcs"] * 3),
        OPTICS,
        "row 1 asks for image 1000000000000000000 of",
    ),
    "contradicting-groups": (
        MODERN,
        changed(OPTICS, rlnOpticsGroup=["3", "3"]),
        r"group 3 twice in data_optics, with _rlnVoltage \S+ and \S+;",
    ),
    "half-a-group": (changed(MODERN, rlnOpticsGroup=["3", "7.5", "3"]), OPTICS, "row 2 has 7.5 in"),
    "huge-subset": (changed(MODERN, rlnRandomSubset=["1", "2", "1e300"]), OPTICS, "row 3 has 1e"),
    "half-premultiplied": (
        MODERN,
        changed(OPTICS, rlnCtfDataAreCtfPremultiplied=["1", "0"]),
        "some particles only",
    ),
}


@pytest.mark.parametrize(("particles", "optics", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_used_is_refused_in_one_sentence(write, particles, optics, said):
    path = write(particles, optics)
    with pytest.raises(InputError, match=said) as failure:
        read_particles(path)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_group_described_twice_alike_is_told(write):
    twice = {name: [values[0], *values] for name, values in OPTICS.items()}
    found, _ = read_particles(write(MODERN, twice))
    assert found.ctf.voltage_kv.tolist() == [200, 300, 200]
    assert found.notes == ("data_optics describes optics group 7 2 times alike",)


def test_particles_that_contradict_their_optics_group_are_told(write):
    voltages = {"rlnVoltage": ["200.0", "200", "100"]}
    found, _ = read_particles(write(MODERN | voltages, OPTICS))
    assert found.ctf.voltage_kv.tolist() == [200, 200, 100]
    (note,) = found.notes
    assert note.startswith("_rlnVoltage of 2 particles is another than their optics group's")


@pytest.mark.parametrize("names", [("particles", "other"), ("other", "particles"), ("", "other")])
def test_of_several_tables_the_one_taken_is_told(tmp_path, stack, names):
    path = tmp_path / "in.star"
    fewer = {name: values[:1] for name, values in OLD.items()}
    tables = {name: table(name, fewer if name == "other" else OLD) for name in names}
    path.write_text("".join(tables.values()))
    found, _ = read_particles(path)
    assert len(found) == 3
    (note,) = found.notes
    assert note.startswith("the particles are those of data_")
    assert "data_other" in note


@pytest.mark.parametrize("what", ["particles", "optics"])
def test_two_files_put_together_are_refused(tmp_path, stack, what):
    path = tmp_path / "in.star"
    once = {"particles": table("particles", MODERN), "optics": table("optics", OPTICS)}
    path.write_text(once["optics"] + once["particles"] + once[what])
    with pytest.raises(InputError, match=rf"data_{what} 2 times \(lines \d+ and \d+ \.\.\.\)"):
        read_particles(path)


def test_no_pixel_size_anywhere_is_refused_and_the_user_can_say_it(write, tmp_path, stack):
    with mrcfile.mmap(tmp_path / "stack.mrcs", "r+") as other:
        other.voxel_size = 0
    path = write(without(OLD, "rlnMagnification"))
    with pytest.raises(InputError, match="add a column _rlnImagePixelSize"):
        read_particles(path)
    found, _ = read_particles(path, pixel_size_angstrom=2.0)
    assert found.pixel_size_angstrom == 2.0
    np.testing.assert_allclose(
        found.poses.shifts_angstrom, -np.array(ORIGINS) * 2 / PIXEL, atol=2e-6
    )


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
