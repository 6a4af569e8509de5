"""Jobs spread over ranges of rows, each of which is made once and kept (see ``tasks.spread``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from napari_cryoorient.budget import Budget
from napari_cryoorient.cluster.executors import Executor, LocalExecutor, Threads
from napari_cryoorient.cluster.parts import SETUP, PartsFolder, Range, Stage
from napari_cryoorient.cluster.select_images import arrays_of
from napari_cryoorient.cluster.shard import Shard, digest_of_file
from napari_cryoorient.cluster.sums import SumTree
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.array_records import joined_records, read_record
from napari_cryoorient.maps.stored_sums import Sums
from napari_cryoorient.particles import Integers, Poses
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.tasks.back_projection_job import BackProjectionJob
from napari_cryoorient.tasks.spread import Job

Kept = TypeVar("Kept")
Result = TypeVar("Result")


class InParts:
    """Spreads jobs over the ranges of a folder of parts; ``device`` is the command's.

    ``find_executor`` is asked who does the work, once there is some.  ``budget`` is the memory that
    each of them may take.
    """

    def __init__(
        self,
        folder: PartsFolder,
        find_executor: Callable[[], Executor],
        device: str,
        budget: Budget | None = None,
    ) -> None:
        self.folder = folder
        self._find_executor, self._device, self._budget = find_executor, device, budget
        self._executor: Executor | None = None

    def kept(self, name: str, kind: type[Kept], make: Callable[[], Kept]) -> Kept:
        """Return what is made of the whole stack; it is made once."""
        return self.folder.kept(name, kind, make)

    def do(self, name: str, job: Job[Result], reporter: Reporter) -> Result:
        """Have what is missing made, and join it all; raises Stopped when asked to stop."""
        stage = self.folder.stage(
            name,
            job.rows,
            job.starts,
            lambda: job.learn(reporter),
            job.particles.file_rows,
        )
        missing = stage.missing()
        total = sum(map(len, stage.ranges))
        done = total - sum(map(len, missing))
        self._tell_before(done, total, reporter)
        if missing:
            executor = self._found_executor()
            device = executor.device or self._device
            for n in executor.work(self._shards(stage, missing, job, device), reporter.should_stop):
                done += n
                reporter.progress(done, total)
        if done < total:
            raise Stopped
        setup = read_record(job.setup, stage.folder / SETUP)
        results = self._results(stage, job.result)
        return setup.joined([joined_records(results, total, stage.folder)])

    def add_up(self, name: str, job: BackProjectionJob, reporter: Reporter) -> tuple[Sums, ...]:
        """Have what is missing entered and all of it added up; raises Stopped."""
        trees = [self._tree(f"{name}{k}", job, rows) for k, rows in enumerate(job.sets, start=1)]
        total, done = sum(map(len, job.sets)), sum(tree.n_done for tree in trees)
        self._tell_before(done, total, reporter)
        if any(tree.is_left for tree in trees):
            executor = self._found_executor()
            device = executor.device or self._device
            if isinstance(executor, LocalExecutor):
                executor = Threads(device, job.learn().n_bytes)
            tasks = chain.from_iterable(tree.tasks(device) for tree in trees)
            for n in executor.work(tasks, reporter.should_stop):
                done += n
                reporter.progress(done, total)
        if not all(tree.is_whole for tree in trees):
            raise Stopped
        return tuple(tree.total() for tree in trees)

    def _tree(self, name: str, job: BackProjectionJob, rows: Integers) -> SumTree:
        poses = job.particles.poses
        assert poses is not None
        file_rows = job.particles.file_rows
        return SumTree(self.folder.stage(name, rows, poses[rows], job.learn, file_rows), job, rows)

    def _tell_before(self, done: int, total: int, reporter: Reporter) -> None:
        """Say what was there already; the time left is reckoned from when the work begins."""
        if done:
            reporter.say(f"{done} of {total} particles were done before, in {self.folder.path}.")
        if done == total:
            reporter.progress(done, total)

    def _found_executor(self) -> Executor:
        self._executor = self._executor or self._find_executor()
        return self._executor

    def _shards(
        self, stage: Stage, missing: list[Range], job: Job[Any], device: str
    ) -> Iterator[Shard]:
        setup_path = (stage.folder / SETUP).absolute()
        digest = digest_of_file(setup_path)
        for part in missing:
            rows = job.rows[part.slice]
            yield Shard(
                stage.path_of(part).absolute(),
                rows,
                arrays_of(job.particles, rows),
                None if job.starts is None else _copied(job.starts[part.slice]),
                setup_path,
                job.setup,
                digest,
                device,
                self._budget,
            )

    def _results(self, stage: Stage, kind: type[Result]) -> Iterator[Result]:
        for part in stage.ranges:
            path = stage.path_of(part)
            try:
                yield read_record(kind, path)
            except InputError:
                path.unlink(missing_ok=True)  # as is said, so that the next try makes it again
                raise


def _copied(poses: Poses) -> Poses:
    """Return poses in memory, of those that may lie in a file of a stage before."""
    return Poses(np.array(poses.rotations), np.array(poses.shifts_angstrom))
