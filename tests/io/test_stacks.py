import bz2
import errno
import gzip
import os
import pickle
import sys
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.fourier_resize import fourier_resize
from napari_cryoorient.io.stacks import MrcStack, MrcStackCollection, StackWriter
from napari_cryoorient.io.star import read_particles


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(7, 16, 16)).astype(np.float32)


def as_stack(make_mrc, name, images, **header):
    return make_mrc(name, images, space_group=0, sampling=(16, 16, 1), **header)


def test_images_come_in_the_order_asked_for(make_mrc, images):
    source = MrcStackCollection.of_one(as_stack(make_mrc, "a.mrcs", images), 1.5)
    wanted = np.array([5, 0, 5, 3])
    np.testing.assert_array_equal(source.read(wanted), images[wanted])
    assert source.read(np.array([], dtype=int)).shape == (0, 16, 16)
    assert (len(source), source.box, source.pixel_size_angstrom) == (7, 16, 1.5)
    with pytest.raises(IndexError):
        source.read([7])


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("kind", ["i1", "i2", "f4", "u2", "f2"])
def test_every_real_number_type_is_read(make_mrc, images, kind, order):
    array = (np.abs(images) * 20).astype(kind)
    source = MrcStackCollection.of_one(as_stack(make_mrc, "a.mrcs", array, order=order), 1.0)
    np.testing.assert_array_equal(source.read(np.arange(7)), array.astype(np.float32))


@pytest.mark.parametrize(
    ("pack", "kind"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2")], ids=["gzip", "bzip2"]
)
def test_a_compressed_stack_is_unpacked_once_and_tidied_away(
    make_mrc, tmp_path, images, pack, kind
):
    packed = tmp_path / "packed.mrcs"
    packed.write_bytes(pack(as_stack(make_mrc, "a.mrcs", images).read_bytes()))
    stack = MrcStack(packed)
    assert any(kind in note for note in stack.notes)
    unpacked = stack.map_memory().filename
    np.testing.assert_array_equal(stack.map_memory(), images)
    del stack
    assert not unpacked.exists()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
def test_a_damaged_archive_is_refused(make_mrc, tmp_path, images, pack):
    packed = tmp_path / "packed.mrcs.gz"
    packed.write_bytes(pack(as_stack(make_mrc, "a.mrcs", images).read_bytes())[:-900])
    with pytest.raises(InputError, match="cut short"):
        MrcStack(packed)


def test_images_are_resampled_as_they_are_read(make_mrc, images):
    source = MrcStackCollection.of_one(as_stack(make_mrc, "a.mrcs", images), 1.5, box=8)
    assert source.box == 8
    assert source.pixel_size_angstrom == pytest.approx(3.0)
    np.testing.assert_array_equal(source.read([2, 6]), fourier_resize(images[[2, 6]], 8, 2))
    assert any("16 to 8" in note for note in source.notes)


def test_many_images_are_resampled_in_batches(make_mrc):
    many = np.random.default_rng(0).normal(size=(150, 8, 8)).astype(np.float32)
    source = MrcStackCollection.of_one(make_mrc("a.mrcs", many), 1.0, box=4)
    order = np.random.default_rng(1).permutation(150)
    np.testing.assert_allclose(source.read(order), fourier_resize(many, 4, 2)[order], atol=1e-6)


def test_an_odd_box_keeps_its_centre_pixel(make_mrc):
    images = np.zeros((2, 9, 9), np.float32)
    images[:, 4, 4] = 1
    source = MrcStackCollection.of_one(make_mrc("a.mrcs", images), 1.0)
    assert source.box == 8
    assert np.argwhere(source.read([1])[0]).tolist() == [[4, 4]]
    assert any("odd box of 9" in note for note in source.notes)


def test_few_files_are_open_at_a_time(make_mrc, images):
    stacks = [MrcStack(as_stack(make_mrc, f"{i}.mrcs", images + i)) for i in range(12)]
    rng = np.random.default_rng(2)
    stack_of, section_of = rng.integers(0, 12, 60), rng.integers(0, 7, 60)
    source = MrcStackCollection(stacks, stack_of, section_of, 1.0, max_open_files=3)
    for start in range(0, 60, 20):
        rows = np.arange(start, start + 20)
        expected = images[section_of[rows]] + stack_of[rows][:, None, None].astype(np.float32)
        np.testing.assert_array_equal(source.read(rows), expected)
        assert source.n_open_files <= 3


def test_a_collection_travels_to_another_process_without_its_images(make_mrc, images):
    source = MrcStackCollection.of_one(as_stack(make_mrc, "a.mrcs", images), 1.0)
    source.read([0])
    packed = pickle.dumps(source)
    assert len(packed) < images.nbytes
    np.testing.assert_array_equal(pickle.loads(packed).read([3]), images[[3]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_spoil_their_own_image_alone(make_mrc, images, value):
    images[4, 1, 1] = value
    path = as_stack(make_mrc, "a.mrcs", images)
    np.testing.assert_array_equal(MrcStackCollection.of_one(path, 1.0).read([6, 4]), images[[6, 4]])
    resampled = MrcStackCollection.of_one(path, 1.0, box=8).read(np.arange(len(images)))
    is_finite = np.isfinite(resampled).all(axis=(1, 2))
    assert np.flatnonzero(~is_finite).tolist() == [4]


def test_stacks_that_cannot_be_used_are_refused(make_mrc, images):
    with pytest.raises(InputError, match="16 x 12 pixels; square"):
        MrcStack(make_mrc("oblong.mrcs", images[:, :12]))
    path = as_stack(make_mrc, "short.mrcs", images)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="the file holds 6"):
        MrcStack(path)
    one, other = (
        MrcStack(make_mrc("a.mrcs", images)),
        MrcStack(make_mrc("b.mrcs", images[:, :8, :8])),
    )
    with pytest.raises(InputError, match="must have one box"):
        MrcStackCollection([one, other], np.array([0, 1]), np.array([0, 0]), 1.0)
    with pytest.raises(InputError, match="even number"):
        MrcStackCollection([one], np.array([0]), np.array([0]), 1.0, box=7)


def test_a_stream_makes_a_valid_stack_with_right_statistics(tmp_path, images):
    path = tmp_path / "out.mrcs"
    with StackWriter(path, 7, 16, 1.25) as writer:
        writer.append(images[:3])
        assert not path.exists()
        writer.append(images[3])
        writer.append(images[4:].astype(np.float64))
    assert mrcfile.validate(path)
    with mrcfile.open(path) as other:
        np.testing.assert_array_equal(other.data, images)
        assert other.is_image_stack()
        assert float(other.voxel_size.x) == pytest.approx(1.25)
        header = other.header
        written = [float(header[name]) for name in ("dmin", "dmax", "dmean", "rms")]
    expected = [images.min(), images.max(), images.mean(), images.std()]
    np.testing.assert_allclose(written, expected, rtol=1e-4, atol=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == ["out.mrcs"]


@pytest.mark.parametrize("n_written", [6, 8])
def test_a_stack_of_another_length_than_promised_is_not_written(tmp_path, images, n_written):
    def write():
        with StackWriter(tmp_path / "out.mrcs", 7, 16, 1.0) as writer:
            for i in range(n_written):
                writer.append(images[i % 7])

    with pytest.raises(ValueError, match="images"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("failure", "shown"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(errno.ENOSPC, "full"), InputError)],
    ids=["interrupted", "disk-full"],
)
def test_a_stack_that_fails_half_way_leaves_nothing(tmp_path, images, failure, shown):
    def write():
        with StackWriter(tmp_path / "out.mrcs", 7, 16, 1.0) as writer:
            writer.append(images[:2])
            raise failure

    with pytest.raises(shown):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_at_the_last_moment_leaves_nothing(tmp_path, images, monkeypatch):
    def no_room(self):
        raise OSError(errno.ENOSPC, "full")

    def write():
        with StackWriter(tmp_path / "out.mrcs", 7, 16, 1.0) as writer:
            writer.append(images)

    monkeypatch.setattr(StackWriter, "_finish", no_room)
    with pytest.raises(InputError, match="disk is full"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_pages_that_were_read_are_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_cryoorient.io.stacks._MAPPED_BYTES", 3 * 8 * 8 * 4 + 2 * 100)
    monkeypatch.setattr("napari_cryoorient.io.stacks._MAPPED_AROUND", 100)
    images = np.arange(4 * 64, dtype=np.float32).reshape(4, 8, 8)
    with StackWriter(tmp_path / "a.mrcs", 4, 8, 1.0) as writer:
        writer.append(images)
    stack = MrcStackCollection.of_one(tmp_path / "a.mrcs", 1.0)
    np.testing.assert_array_equal(stack.read([0, 1]), images[:2])
    assert stack.n_open_files == 1
    np.testing.assert_array_equal(stack.read([3]), images[3:])
    assert stack.n_open_files == 0
    np.testing.assert_array_equal(stack.read([2]), images[2:3])


def test_images_here_and_there_count_with_what_is_mapped_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_cryoorient.io.stacks._MAPPED_BYTES", 3000)
    monkeypatch.setattr("napari_cryoorient.io.stacks._MAPPED_AROUND", 1000)
    with StackWriter(tmp_path / "a.mrcs", 9, 8, 1.0) as writer:
        writer.append(np.zeros((9, 8, 8), dtype=np.float32))
    stack = MrcStackCollection.of_one(tmp_path / "a.mrcs", 1.0)
    stack.read([0, 1, 2])
    assert stack.n_open_files == 1
    stack.read([0, 8])
    assert stack.n_open_files == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of open files to be set")
def test_many_stacks_are_read_with_few_files_open(tmp_path: Path) -> None:
    n = 600
    with StackWriter(tmp_path / "first.mrcs", 1, 8, 1.0) as writer:
        writer.append(np.ones((1, 8, 8), dtype=np.float32))
    content = (tmp_path / "first.mrcs").read_bytes()
    head = "data_particles\n\nloop_\n_rlnImageName #1\n_rlnImagePixelSize #2\n"
    for i in range(n):
        (tmp_path / f"{i}.mrcs").write_bytes(content)
    rows = "\n".join(f"1@{i}.mrcs 1.0" for i in range(n))
    (tmp_path / "particles.star").write_text(f"{head}{rows}\n")
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 48, limits[1]))
    try:
        particles, _ = read_particles(tmp_path / "particles.star")
        assert particles.images.read(np.arange(n)[::-1]).sum() == n * 64
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
