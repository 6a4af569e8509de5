import bz2
import gzip

import mrcfile
import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.particles import DensityMap


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("kind", ["i1", "i2", "f4", "u2", "f2"])
def test_every_real_number_type_is_read(make_mrc, ramp, kind, order):
    array = (np.abs(ramp) + 40_000 if kind == "u2" else ramp).astype(kind)
    density = read_map(make_mrc("a.mrc", array, order=order))
    np.testing.assert_array_equal(density.voxels, array.astype(np.float32))
    assert density.voxels.dtype == np.float32
    assert density.voxels.dtype.isnative
    assert density.pixel_size_angstrom == pytest.approx(2.0)
    assert density.notes == ()


@pytest.mark.parametrize(
    ("pack", "suffix"),
    [(gzip.compress, ".map.gz"), (bz2.compress, ".bz2"), (gzip.compress, ".mrc")],
)
def test_compression_is_seen_in_the_bytes_not_the_name(make_mrc, tmp_path, ramp, pack, suffix):
    packed = tmp_path / f"packed{suffix}"
    packed.write_bytes(pack(make_mrc("a.mrc", ramp).read_bytes()))
    np.testing.assert_array_equal(read_map(packed).voxels, ramp)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
def test_a_damaged_archive_is_refused(make_mrc, tmp_path, ramp, pack):
    packed = tmp_path / "packed.map.gz"
    packed.write_bytes(pack(make_mrc("a.mrc", ramp).read_bytes())[:-40])
    with pytest.raises(InputError, match=r"damaged or cut short"):
        read_map(packed)


@pytest.mark.parametrize(
    ("flaw", "note"),
    [
        ({"identifier": b"\0\0\0\0"}, "MAP identifier"),
        ({"stamp": b"\0\0\x44\x44"}, "machine stamp"),
        ({"stamp": b"\x11\x11\0\0"}, "machine stamp"),
        ({"claimed_extended": 5000}, "extended header"),
        ({"axes": (0, 0, 0), "sampling": (6, 6, 6)}, "axis order"),
        ({"space_group": 0, "sampling": (6, 6, 1), "voxel": (2, 2, 2)}, "image stack"),
    ],
    ids=["no-id", "odd-stamp", "wrong-stamp", "no-extended", "no-axes", "stack"],
)
def test_a_flawed_header_is_read_with_a_note(make_mrc, ramp, flaw, note):
    density = read_map(make_mrc("a.mrc", ramp, **flaw))
    np.testing.assert_array_equal(density.voxels, ramp)
    assert len(density.notes) == 1
    assert note in density.notes[0]


def test_an_extended_header_is_skipped(make_mrc, ramp):
    density = read_map(make_mrc("a.mrc", ramp, extended=b"x" * 160))
    np.testing.assert_array_equal(density.voxels, ramp)


def test_bytes_above_127_are_unsigned(make_mrc, ramp):
    array = (ramp + 180).astype(np.uint8)
    path = make_mrc("a.mrc", array, mode=0, maximum=float(array.max()))
    np.testing.assert_array_equal(read_map(path).voxels, array.astype(np.float32))


@pytest.mark.parametrize("axes", [(3, 1, 2), (2, 1, 3), (3, 2, 1), (2, 3, 1), (1, 3, 2)])
def test_any_axis_order_gives_zyx(make_mrc, ramp, axes):
    # ramp is [z, y, x]; in the file columns run along axes[0], rows axes[1], sections axes[2].
    in_file = ramp.transpose(*(3 - axis for axis in reversed(axes)))
    density = read_map(make_mrc("a.mrc", in_file, axes=axes))
    np.testing.assert_array_equal(density.voxels, ramp)
    assert "axes brought" in density.notes[0]


def test_an_odd_box_keeps_its_centre_voxel(make_mrc):
    voxels = np.zeros((7, 7, 7), np.float32)
    voxels[3, 3, 3] = 1
    density = read_map(make_mrc("a.mrc", voxels))
    assert density.voxels.shape == (8, 8, 8)
    assert np.argwhere(density.voxels).tolist() == [[4, 4, 4]]
    assert "odd box of 7" in density.notes[0]


def test_a_map_that_is_no_cube_is_padded_about_its_middle_with_what_lies_outside(make_mrc):
    voxels = np.full((7, 5, 8), -0.5, np.float32)
    voxels[3, 2, 4] = 1
    density = read_map(make_mrc("a.mrc", voxels, origin=(3.0, 4.0, 5.0)))
    assert density.box == 8
    assert np.argwhere(density.voxels == 1).tolist() == [[4, 4, 4]]
    assert np.count_nonzero(density.voxels == -0.5) == 8**3 - 1
    assert "7 x 5 x 8" in density.notes[0]
    assert "3, 4, 5 A" in density.notes[0]


def test_the_box_resamples_the_map_and_the_pixel_size_follows(make_mrc, ramp):
    density = read_map(make_mrc("a.mrc", ramp), box=4)
    assert density.box == 4
    assert density.pixel_size_angstrom == pytest.approx(3.0)
    assert density.voxels.mean() == pytest.approx(ramp.mean(), abs=1e-5)


def test_the_users_pixel_size_wins_with_a_note(make_mrc, ramp):
    density = read_map(make_mrc("a.mrc", ramp), pixel_size_angstrom=1.5)
    assert density.pixel_size_angstrom == 1.5
    assert "header says 2 A" in density.notes[0]


def bad(array, value):
    array = array.copy()
    array[1, 2, 3] = value
    return array


REFUSED = {
    "nan": (lambda a: bad(a, np.nan), {}, "1 voxels that are not finite"),
    "inf": (lambda a: bad(a, np.inf), {}, "not finite"),
    "constant": (lambda a: a * 0 + 2, {}, "same value"),
    "complex": (lambda a: a.astype(np.complex64), {}, "Fourier transform"),
    "4-bit": (lambda a: a.astype("i1"), {"mode": 101}, "4-bit"),
    "no-voxel-size": (lambda a: a, {"voxel": (0, 0, 0)}, "--pixel-size"),
    "negative-voxel-size": (lambda a: a, {"voxel": (-1, -1, 1)}, "--pixel-size"),
    "oblong-voxels": (lambda a: a, {"voxel": (1, 1, 1.2)}, "not cubes"),
    "crystal": (lambda a: a, {"angles": (90, 94.3, 90)}, "skewed"),
    "stack": (lambda a: a[:4], {"space_group": 0, "sampling": (6, 6, 1)}, "stack of 4 images"),
    "image": (lambda a: a[:1], {}, "single image"),
    "slab": (lambda a: a[:2], {}, "too far from a cube"),
    "other-mode": (lambda a: a, {"mode": 77}, "not an MRC file"),
}


@pytest.mark.parametrize(("change", "header", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_clear_meaning_is_refused_in_one_sentence(make_mrc, ramp, change, header, said):
    path = make_mrc("bad.mrc", change(ramp), **header)
    with pytest.raises(InputError, match=said) as failure:
        read_map(path)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)


NOT_MRC = {
    "empty": (b"", "empty"),
    "short": (b"abc", "only 3 bytes"),
    "html": (b"<!DOCTYPE html><html>" + b" " * 2000, "web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0" + b"0" * 20, "LFS"),
    "star": (b"\ndata_particles\n\nloop_\n" + b"_rlnImageName #1\n" * 99, "STAR"),
    "noise": (b"\x89\xfe\xfd\xfc" * 999, "make no sense"),
}


@pytest.mark.parametrize(("content", "said"), NOT_MRC.values(), ids=NOT_MRC.keys())
def test_other_files_are_named_for_what_they_are(tmp_path, content, said):
    path = tmp_path / "a.map"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_map(path)


def test_a_map_cut_short_is_refused(make_mrc, ramp):
    path = make_mrc("a.mrc", ramp)
    path.write_bytes(path.read_bytes()[: 1024 + 4 * 36 * 4 + 10])
    with pytest.raises(InputError, match="6 sections of 6 x 6 pixels and the file holds 4"):
        read_map(path)


def test_a_missing_map_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_map(tmp_path / "none.mrc")
    with pytest.raises(InputError, match="folder"):
        read_map(tmp_path)


@pytest.mark.parametrize(
    "choice", [{"box": 5}, {"box": 0}, {"pixel_size_angstrom": -1.0}, {"resolution_angstrom": 0.0}]
)
def test_choices_out_of_range_are_refused(make_mrc, ramp, choice):
    with pytest.raises(InputError):
        read_map(make_mrc("a.mrc", ramp), **choice)


def test_a_written_map_is_valid_and_comes_back(tmp_path, ramp):
    path = tmp_path / "out.mrc"
    write_map(DensityMap(ramp, 1.75), path)
    assert mrcfile.validate(path)
    with mrcfile.open(path) as other:
        np.testing.assert_array_equal(other.data, ramp)
        assert other.is_volume()
        assert float(other.voxel_size.x) == pytest.approx(1.75)
    density = read_map(path)
    np.testing.assert_array_equal(density.voxels, ramp)
    assert density.pixel_size_angstrom == pytest.approx(1.75)
    assert density.notes == ()
