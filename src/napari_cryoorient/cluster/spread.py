"""Jobs spread over ranges of rows, each of which is made once and kept (see ``tasks.spread``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from napari_cryoorient.budget import Budget
from napari_cryoorient.cluster.parts import LEARNT, PartsFolder, Range, Stage
from napari_cryoorient.cluster.shard import Shard, digest_of_file, do_shard
from napari_cryoorient.cluster.taken import arrays_of
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.array_records import joined_records, read_record
from napari_cryoorient.reporting import Reporter, ShouldStop
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.tasks.spread import Job

Kept = TypeVar("Kept")
Result = TypeVar("Result")


class Hands(Protocol):
    """Those who do the work."""

    def work(self, shards: Iterator[Shard], should_stop: ShouldStop) -> Iterator[int]:
        """Have every shard done; yield the number of its rows as each is.

        It may end before the last where ``should_stop`` says so.
        """

    @property
    def device(self) -> str | None:
        """Name of the device they take, None for the one of the command."""


class OneHand:
    """All ranges one after the other in this process."""

    device = None

    def work(self, shards: Iterator[Shard], should_stop: ShouldStop) -> Iterator[int]:
        """Do every shard."""
        for shard in shards:
            if should_stop():
                return
            yield do_shard(shard)


class InParts:
    """Spreads jobs over the ranges of a folder of parts; ``device`` is the command's.

    ``find_hands`` is asked who does the work, once there is some.  ``budget`` is the memory that
    each of them may take.
    """

    def __init__(
        self,
        folder: PartsFolder,
        find_hands: Callable[[], Hands],
        device: str,
        budget: Budget | None = None,
    ) -> None:
        self.folder = folder
        self._find_hands, self._device, self._budget = find_hands, device, budget
        self._hands: Hands | None = None

    def kept(self, name: str, kind: type[Kept], make: Callable[[], Kept]) -> Kept:
        """Return what is made of the whole stack; it is made once."""
        return self.folder.kept(name, kind, make)

    def do(self, name: str, job: Job[Result], reporter: Reporter) -> Result:
        """Have what is missing made, and join it all; raises Stopped when asked to stop."""
        stage = self.folder.stage(
            name,
            job.rows,
            job.starts,
            lambda: job.learn(reporter.should_stop),
            job.particles.file_rows,
        )
        missing = stage.missing()
        total = sum(map(len, stage.ranges))
        done = total - sum(map(len, missing))
        if done:
            reporter.say(f"{done} of {total} particles were done before, in {self.folder.path}.")
        reporter.progress(done, total)
        if missing:
            hands = self._hands = self._hands or self._find_hands()
            device = hands.device or self._device
            for n in hands.work(self._shards(stage, missing, job, device), reporter.should_stop):
                done += n
                reporter.progress(done, total)
        if done < total:
            raise Stopped
        learnt = read_record(job.learnt, stage.folder / LEARNT)
        return learnt.joined([joined_records(self._results(stage, job.result), total)])

    def _shards(
        self, stage: Stage, missing: list[Range], job: Job[Any], device: str
    ) -> Iterator[Shard]:
        learnt_path = (stage.folder / LEARNT).absolute()
        digest = digest_of_file(learnt_path)
        for part in missing:
            rows = job.rows[part.slice]
            yield Shard(
                stage.path_of(part).absolute(),
                rows,
                arrays_of(job.particles, rows),
                None if job.starts is None else job.starts[part.slice],
                learnt_path,
                job.learnt,
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
