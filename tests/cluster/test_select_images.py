"""Images taken out of a source to be sent away are the images that it reads."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.cluster.select_images import arrays_of, select_images
from napari_cryoorient.io.aberrations import CorrectedImages, Lens
from napari_cryoorient.io.common_field import images_of_stacks
from napari_cryoorient.io.stacks import MrcStack, MrcStackCollection, StackWriter
from napari_cryoorient.particles import (
    ArrayImages,
    ImageSource,
    NegatedImages,
    ParticleSet,
    Poses,
    SubsetImages,
)
from napari_cryoorient.stack.grey_scales import ScaledImages
from napari_cryoorient.stack.odd_images import BlankedImages

ROWS = np.array([7, 2, 2, 5])


def stacks_in(folder: Path, boxes: tuple[int, ...] = (16, 16, 16)) -> list[MrcStack]:
    random = np.random.default_rng(0)
    for i, box in enumerate(boxes):
        with StackWriter(folder / f"{i}.mrcs", 4, box, 2.0) as writer:
            writer.append(random.normal(size=(4, box, box)).astype(np.float32))
    return [MrcStack(folder / f"{i}.mrcs") for i in range(len(boxes))]


def collection_in(folder: Path) -> MrcStackCollection:
    stack_of = np.repeat(np.arange(3), 3)
    section_of = np.tile(np.arange(3), 3)
    factors = np.where(stack_of == 1, -1.0, 1.0)
    return MrcStackCollection(stacks_in(folder), stack_of, section_of, 2.0, factors=factors)


def lens(turn: float) -> Lens:
    return Lens(np.eye(2), np.array([turn, 0.0]), np.zeros(2), 300.0, 2.7)


def sources_in(folder: Path) -> dict[str, ImageSource]:
    collection = collection_in(folder)
    images = np.random.default_rng(1).normal(size=(9, 16, 16)).astype(np.float32)
    (folder / "two").mkdir()
    two = stacks_in(folder / "two", (16, 32))
    common = images_of_stacks(
        two, np.arange(9) % 2, np.arange(9) // 3, np.where(np.arange(9) % 2, 1.5, 2.0)
    )
    return {
        "stacks": collection,
        "memory": ArrayImages(images, 2.0),
        "subset": SubsetImages(collection, np.arange(9)[::-1]),
        "negated": NegatedImages(collection),
        "blanked": BlankedImages(collection, np.array([2, 8])),
        "scaled": ScaledImages(collection, np.arange(9, dtype=np.float32)),
        "corrected": CorrectedImages(collection, [lens(1e3), lens(-2e3)], np.arange(9) % 2),
        "common": common,
    }


KINDS = ("stacks", "memory", "subset", "negated", "blanked", "scaled", "corrected", "common")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_images_are_read(tmp_path: Path, kind: str):
    source = sources_in(tmp_path)[kind]
    sent = pickle.loads(pickle.dumps(select_images(source, ROWS)))
    assert len(sent) == len(ROWS)
    assert (sent.box, sent.pixel_size_angstrom) == (source.box, source.pixel_size_angstrom)
    order = np.array([3, 0, 1])
    np.testing.assert_array_equal(sent.read(order), source.read(ROWS[order]))


def test_a_source_of_another_kind_is_read_as_a_part_of_it():
    @dataclass(frozen=True)
    class Numbered:
        box = 2
        pixel_size_angstrom = 1.0

        def __len__(self) -> int:
            return 9

        def read(self, indices):
            return np.tile(np.float32(indices)[:, None, None], (1, 2, 2))

    np.testing.assert_array_equal(select_images(Numbered(), ROWS).read(np.array([0]))[0, 0], [7, 7])


def test_what_is_sent_does_not_grow_with_the_stack(tmp_path: Path):
    stacks = stacks_in(tmp_path)
    n = 100_000
    stack_of, section_of = np.arange(n) % 3, np.arange(n) % 4
    images = MrcStackCollection(stacks, stack_of, section_of, 2.0)
    poses = Poses(np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2)))
    names = tuple(f"{i:06d}@a.mrcs" for i in range(n))
    particles = ParticleSet(images, poses, None, np.zeros(n, dtype=np.int64), names=names)
    sent = pickle.dumps(arrays_of(particles, np.arange(100, 200)))
    assert len(sent) < 40_000  # of 100 rows; the whole has 18 MB


def test_relative_paths_are_read_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    source = collection_in(Path())
    expected = source.read(ROWS)
    sent = pickle.dumps(select_images(source, ROWS))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_array_equal(pickle.loads(sent).read(np.arange(4)), expected)


def test_a_compressed_stack_is_unpacked_where_it_is_read(tmp_path: Path):
    import gzip

    stacks_in(tmp_path, (16,))
    packed = tmp_path / "packed.mrcs.gz"
    packed.write_bytes(gzip.compress((tmp_path / "0.mrcs").read_bytes()))
    source = MrcStackCollection.of_one(packed, 2.0)
    expected = source.read(np.arange(3))
    sent = pickle.dumps(select_images(source, np.arange(3)))
    source._stacks[0]._plain.unlink()  # as on another machine
    np.testing.assert_array_equal(pickle.loads(sent).read(np.arange(3)), expected)
