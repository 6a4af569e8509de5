"""Particles of STAR files of each version: poses, microscope, pixel size, and what is refused."""

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star import (
    read_particles,
)
from support.star_tables import (
    ANGLES,
    FILES,
    MODERN,
    OLD,
    OPTICS,
    ORIGINS,
    PIXEL,
    changed,
    table,
    without,
)


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
