"""Records joined in a file are those joined in memory, and cost no memory once let go of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io import long_arrays
from napari_cryoorient.io.array_records import joined_records
from napari_cryoorient.io.long_arrays import let_go, some_rows
from napari_cryoorient.io.star import read_star, write_poses
from napari_cryoorient.memory import memory_in_use
from napari_cryoorient.particles import Floats, Integers, Poses


@dataclass(frozen=True)
class Inner:
    values: Floats


@dataclass(frozen=True)
class Record:
    rows: Integers
    is_odd: np.ndarray
    inner: Inner
    told: Floats | None


def records(n: int, size: int, untold: int = -1) -> Iterator[Record]:
    generator = np.random.default_rng(0)
    for start in range(0, n, size):
        rows = np.arange(start, min(start + size, n))
        told = None if start // size == untold else generator.normal(size=len(rows))
        yield Record(rows, rows % 2 == 1, Inner(generator.normal(size=(len(rows), 3, 3))), told)


@pytest.fixture
def in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_arrays, "SMALL_BYTES", 0)


@pytest.mark.usefixtures("in_files")
@pytest.mark.parametrize("untold", [-1, 0, 2])
def test_a_file_holds_what_memory_does(tmp_path: Path, untold: int) -> None:
    whole = joined_records(records(1001, 64, untold), 1001)
    mapped = joined_records(records(1001, 64, untold), 1001, tmp_path)
    assert not list(tmp_path.iterdir())
    assert isinstance(mapped.inner.values, np.memmap)
    let_go(mapped.inner.values)
    assert np.array_equal(mapped.inner.values, whole.inner.values)
    assert np.array_equal(mapped.rows, whole.rows)
    assert np.array_equal(mapped.is_odd, whole.is_odd)
    assert (mapped.told is None) == (whole.told is None) == (untold >= 0)
    with pytest.raises(ValueError, match="read-only"):
        mapped.rows[0] = 3


def test_work_that_ends_early_joins_what_is_there(tmp_path: Path) -> None:
    assert len(joined_records(records(10, 4), 20, tmp_path).rows) == 10
    with pytest.raises(ValueError, match="no records"):
        joined_records(iter(()), 20, tmp_path)


@pytest.mark.usefixtures("in_files")
@pytest.mark.parametrize("is_in_file", [False, True])
@pytest.mark.parametrize(
    "odd",
    [
        Inner(np.zeros((4, 2, 3))),  # as many numbers, of another shape
        Inner(np.zeros((8, 3, 2))),  # more rows than were declared
        Poses(np.zeros((4, 3, 2)), np.zeros((3, 2))),
    ],
)
def test_rows_of_another_kind_or_too_many_are_refused(
    tmp_path: Path, odd: Inner | Poses, is_in_file: bool
) -> None:
    first = Inner(np.zeros((4, 3, 2)))
    if isinstance(odd, Poses):
        first = Poses(np.zeros((4, 3, 2)), np.zeros((4, 2)))  # type: ignore[assignment]
    with pytest.raises(ValueError, match="rows"):
        joined_records(iter((first, odd)), 8, tmp_path if is_in_file else None)


@pytest.mark.usefixtures("in_files")
def test_arrays_without_numbers_are_joined(tmp_path: Path) -> None:
    parts = [Record(np.arange(4), np.empty((4, 0)), Inner(np.empty((4, 3, 0))), None)] * 2
    joined = joined_records(parts, 8, tmp_path)
    assert joined.is_odd.shape == (8, 0)
    assert joined.inner.values.shape == (8, 3, 0)
    assert joined.rows.tolist() == [*range(4)] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count and let go otherwise")
@pytest.mark.usefixtures("in_files")
def test_what_was_looked_at_is_let_go_of(tmp_path: Path) -> None:
    n = 600_000  # 43 MB of rotations
    mapped = joined_records(records(n, 50_000), n, tmp_path).inner.values
    before = memory_in_use()["resident_bytes"]
    total = 0.0
    for some in some_rows(mapped):
        total += float(mapped[some].sum())
    grown = memory_in_use()["resident_bytes"] - before
    assert total != 0.0
    assert grown < 10e6
    assert mapped.sum() == pytest.approx(total)
    assert memory_in_use()["resident_bytes"] - before > 40e6


@pytest.mark.usefixtures("in_files")
def test_poses_in_a_file_are_written_alike(tmp_path: Path) -> None:
    n = 50
    star = tmp_path / "in.star"
    lines = "".join(f"{i + 1:06d}@stack.mrcs {i} 1.5\n" for i in range(n))
    star.write_text(
        f"data_\n\nloop_\n_rlnImageName #1\n_rlnAngleRot #2\n_rlnOriginXAngst #3\n{lines}"
    )

    def parts() -> Iterator[Poses]:
        generator = np.random.default_rng(1)
        for _ in range(5):
            matrices, _ = np.linalg.qr(generator.normal(size=(10, 3, 3)))
            yield Poses(matrices, generator.normal(size=(10, 2)))

    confidence = np.linspace(0, 1, n)
    written = []
    for folder in (None, tmp_path):
        out = tmp_path / f"{folder is None}.star"
        poses = joined_records(parts(), n, folder)
        assert isinstance(poses.rotations, np.memmap) == (folder is not None)
        write_poses(read_star(star), poses, out, confidence=confidence, rows=np.arange(n))
        written.append(out.read_bytes())
    assert written[0] == written[1]
