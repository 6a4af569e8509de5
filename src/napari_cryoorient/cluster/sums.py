"""What slices of images add up to, range by range and two by two, each sum a file.

The pairs follow from the ranges alone, so that the whole is the same to the last bit whoever adds
them up and in whatever order. Of a sum that is there its two parts are removed: a disk holds about
as many as there are workers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.cluster.parts import SETUP, Range, Stage
from napari_cryoorient.cluster.select_images import arrays_of
from napari_cryoorient.device import choose_device
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.array_records import read_record
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.long_arrays import let_go
from napari_cryoorient.maps.stored_sums import StoredSums, Sums
from napari_cryoorient.particles import Floats, Integers, ParticleSet
from napari_cryoorient.reporting import ShouldStop
from napari_cryoorient.tasks.back_projection_job import BackProjectionJob, EntrySetup


def _go_on() -> bool:
    return False


@dataclass(frozen=True, eq=False)
class SumOfRange:
    """The sums of one range of images; ``above`` are files of larger ranges that hold them too."""

    path: Path
    above: tuple[Path, ...]
    particles: ParticleSet
    weights: Floats | None
    setup_path: Path
    device: str
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Tells this task from all others."""
        return str(self.path)

    def do(self, should_stop: ShouldStop = _go_on) -> int:
        """Write the sums, unless they are there; return how many images they are of."""
        if not _is_there(self.path, self.above):
            setup = read_record(EntrySetup, self.setup_path)
            device = choose_device(self.device)
            sums = setup.sums(self.particles, self.weights, device, should_stop)
            with atomic_path(self.path) as temporary, temporary.open("wb") as file:
                np.save(file, sums.sums.cpu().numpy())
        return len(self.particles)


@dataclass(frozen=True, eq=False)
class SumOfTwo:
    """Two sums added up, plane by plane; they are removed once the whole is there."""

    path: Path
    above: tuple[Path, ...]
    parts: tuple[Path, Path]
    device: str = "cpu"

    @property
    def name(self) -> str:
        """Tells this task from all others."""
        return str(self.path)

    @property
    def needs(self) -> tuple[str, ...]:
        """The tasks that come before."""
        return tuple(map(str, self.parts))

    def do(self, should_stop: ShouldStop = _go_on) -> int:  # noqa: ARG002
        """Write the sum, unless it is there; it counts no image anew."""
        if not _is_there(self.path, self.above):
            try:
                first, second = (_opened(part) for part in self.parts)
                _write_sum(first, second, self.path)
            except FileNotFoundError:
                if not _is_there(self.path, self.above):  # else somebody else was faster
                    raise
        for part in self.parts:
            part.unlink(missing_ok=True)
        return 0


class SumTree:
    """The sums of one stage's ranges that are to become one."""

    def __init__(self, stage: Stage, job: BackProjectionJob, rows: Integers) -> None:
        self._stage, self._job, self._rows = stage, job, rows
        self._there = {entry.name for entry in os.scandir(stage.folder)}
        self._left: list[tuple[int, int, tuple[Path, ...]]] = []
        self.n_done = 0
        if stage.ranges:
            self._plan(0, len(stage.ranges), ())

    @property
    def is_left(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._left)

    @property
    def is_whole(self) -> bool:
        """Whether the sum of all is there by now."""
        return not self._stage.ranges or self._path(0, len(self._stage.ranges)).exists()

    def tasks(self, device: str) -> Iterator[SumOfRange | SumOfTwo]:
        """Yield what is to be done, what a task needs before it."""
        setup_path = (self._stage.folder / SETUP).absolute()
        for low, high, above in self._left:
            path = self._path(low, high)
            if high - low > 1:
                middle = _middle(low, high)
                yield SumOfTwo(path, above, (self._path(low, middle), self._path(middle, high)))
                continue
            rows = self._rows[self._stage.ranges[low].slice]
            particles, weights = self._job.particles, self._job.weights
            names = tuple(particles.names[i] for i in rows) if particles.names else ()
            yield SumOfRange(
                path,
                above,
                replace(arrays_of(particles, rows), names=names),  # to name an image that is odd
                None if weights is None else weights[rows],
                setup_path,
                device,
            )

    def total(self) -> Sums:
        """Return the sums of all images, which are read as they are used.

        Raises InputError for a damaged file, which is removed.
        """
        setup = self._job.learn()
        if not self._stage.ranges:
            return setup.empty(self._job.device)
        path = self._path(0, len(self._stage.ranges))
        whole = _opened(path)
        if whole.shape != setup.shape:
            path.unlink()
            raise _damaged(path)
        return StoredSums(whole, setup.box, setup.max_radius, device=self._job.device)

    def _plan(self, low: int, high: int, above: tuple[Path, ...]) -> None:
        """Note what has to be made for the sum of ranges low to high - 1, in order."""
        path = self._path(low, high)
        if path.name in self._there:
            self.n_done += self._range(low, high).stop - self._range(low, high).start
            self._remove_below(low, high)
            return
        if high - low > 1:
            middle = _middle(low, high)
            self._plan(low, middle, (path, *above))
            self._plan(middle, high, (path, *above))
        self._left.append((low, high, above))

    def _remove_below(self, low: int, high: int) -> None:
        """Remove what a whole was made of, where its maker ended before it did."""
        if high - low == 1:
            return
        middle = _middle(low, high)
        for part in ((low, middle), (middle, high)):
            if self._path(*part).name in self._there:
                self._path(*part).unlink(missing_ok=True)
            self._remove_below(*part)

    def _range(self, low: int, high: int) -> Range:
        return Range(self._stage.ranges[low].start, self._stage.ranges[high - 1].stop)

    def _path(self, low: int, high: int) -> Path:
        whole = self._range(low, high)
        return self._stage.folder.absolute() / f"{whole.start:010d}-{whole.stop:010d}.npy"


def _middle(low: int, high: int) -> int:
    """Return where a range of two or more is parted: the first part a power of two."""
    return low + (1 << ((high - low - 1).bit_length() - 1))


def _is_there(path: Path, above: tuple[Path, ...]) -> bool:
    return any(each.exists() for each in (path, *above))


def _opened(path: Path) -> NDArray[np.float32]:
    """Return sums, read as they are used; a damaged file is removed, with an InputError."""
    try:
        sums: NDArray[np.float32] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError) as error:
        with suppress(OSError):
            path.unlink()
        raise _damaged(path) from error
    return sums


def _damaged(path: Path) -> InputError:
    return InputError(
        f"A file of partial sums was damaged, and is removed: give the same command again ({path})."
    )


def _write_sum(first: NDArray[np.float32], second: NDArray[np.float32], path: Path) -> None:
    header = np.lib.format.header_data_from_array_1_0(first)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for i in np.ndindex(first.shape[:2]):
            (first[i] + second[i]).tofile(file)
            let_go(first, second)
