"""Who does the work: processes on this machine, a Dask cluster, or jobs of a queue."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from napari_cryoorient.cluster.dask_executor import DaskExecutor
from napari_cryoorient.cluster.job_script import Queue, filled, queue_of
from napari_cryoorient.config import SpreadConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.reporting import Say

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster

_CONNECT_S = 20
_CLUSTERS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster"}
# Of a worker that ended nothing more is expected after this time, and its job is started again.
_LOST_AFTER = "5s"
_ONE_THREAD = {f"{name}_NUM_THREADS": 1 for name in ("OMP", "MKL", "OPENBLAS")}
# Dask looks at its processes up to a thousand times a second: its profile of ours took a quarter of
# a worker's time in Python, and the rest 0.04 seconds of CPU a second in each process.
_UNWATCHED = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "500ms",
}
_LOGGERS = ("distributed", "tornado.application", "asyncio")
NEEDED = (
    "Work is spread by Dask, which is not installed here: pip install 'napari-cryoorient[cluster]'."
)


@contextmanager
def executor_of(config: SpreadConfig, say: Say) -> Iterator[DaskExecutor]:
    """Start or find the workers of ``config``; those that were started end with the block.

    Raises InputError where Dask is not installed, or a cluster cannot be reached or started.
    """
    _refuse_two(config)
    dask = _dask()
    quiet = _UNWATCHED | {
        "distributed.deploy.lost-worker-timeout": _LOST_AFTER,
        "distributed.scheduler.allowed-failures": 3,
        # Without Dask's MALLOC_TRIM_THRESHOLD_: memory given back at once is asked for again.
        "distributed.nanny.pre-spawn-environ": _ONE_THREAD,
    }
    with dask.config.set(quiet), _silent():
        if config.scheduler is not None:
            yield from _of_scheduler(config.scheduler, say)
        elif config.cluster is not None:
            yield from _of_queue(queue_of(config.cluster), config.workers, say)
        else:
            assert config.workers is not None
            yield from _of_this_machine(config.workers, say)


def job_script(config: SpreadConfig) -> str:
    """Return the script of the jobs that ``--cluster`` would start; raises InputError."""
    if config.cluster is None:
        raise InputError("--dry-run shows the job script of --cluster: name a queue.")
    _refuse_two(config)
    _dask()
    queue = queue_of(config.cluster)
    with _silent():
        job_class, settings = _job_class(queue, [])
        job = _made(lambda: job_class(scheduler="tcp://SCHEDULER:PORT", name="1", **settings))
        return str(job.job_script())


def _refuse_two(config: SpreadConfig) -> None:
    if config.scheduler is not None and config.cluster is not None:
        raise InputError("--scheduler and --cluster name two places to work in: leave one out.")
    if config.scheduler is not None and config.workers is not None:
        raise InputError("A scheduler has workers of its own: leave out --workers or --scheduler.")


def _dask() -> Any:
    try:
        import dask
        import distributed  # noqa: F401
    except ImportError as error:
        raise InputError(NEEDED) from error
    return dask


@contextmanager
def _silent() -> Iterator[None]:
    """Keep Dask's log to itself: what matters is said in a sentence."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _of_this_machine(n: int, say: Say) -> Iterator[DaskExecutor]:
    from distributed import Client, LocalCluster

    say(f"{n} processes on this machine share the work.")
    with (
        LocalCluster(
            n_workers=n,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address=None,
            preload=["napari_cryoorient.cluster.in_worker"],
            silence_logs=logging.CRITICAL + 1,
        ) as cluster,
        Client(cluster) as client,
    ):
        # Dask gives up a worker that takes long to start again, as it may on a busy machine.
        yield DaskExecutor(client, n, keep=lambda: cluster.scale(n))


def _of_scheduler(address: str, say: Say) -> Iterator[DaskExecutor]:
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler answers at {address}: start one with dask scheduler, or check the "
            "address."
        ) from error
    with client:
        n = len(client.nthreads())
        say(f"{n} workers of the Dask cluster at {address} share the work.")
        yield DaskExecutor(client, max(1, sum(client.nthreads().values())), device="auto")


def _of_queue(queue: Queue, n_jobs: int | None, say: Say) -> Iterator[DaskExecutor]:
    from distributed import Client

    n = n_jobs or queue.n_jobs or 1
    failures: list[str] = []
    job_class, settings = _job_class(queue, failures)
    cluster_class = _cluster_class(queue.system)
    options = {"dashboard_address": None, **settings.pop("scheduler_options", {})}
    cluster = _made(lambda: cluster_class(job_cls=job_class, scheduler_options=options, **settings))

    def keep() -> None:
        """Start jobs, and anew those that have ended."""
        if failures:
            raise InputError(f"No job can be started: {failures[0]}")
        cluster.scale(jobs=n)

    try:
        jobs = "A job" if n == 1 else f"{n} jobs"
        say(f"{jobs} of {queue.system} with this script:\n{cluster.job_script().strip()}")
        with Client(cluster) as client:
            keep()
            n_places = n * int(queue.job_settings["processes"])
            yield DaskExecutor(client, n_places, device="auto", keep=keep)
    finally:
        with suppress(AssertionError):  # Dask's own, of jobs that never began
            cluster.close()


def _cluster_class(system: str) -> type[JobQueueCluster]:
    try:
        import dask_jobqueue
    except ImportError as error:
        raise InputError(NEEDED) from error
    found: type[JobQueueCluster] = getattr(dask_jobqueue, _CLUSTERS[system])
    return found


def _job_class(queue: Queue, failures: list[str]) -> tuple[type[Any], dict[str, Any]]:
    """Return the class of the jobs, which notes why one was not taken, and what it is made with."""
    base: Any = _cluster_class(queue.system).job_cls
    settings = queue.job_settings

    class NotingJob(base):  # type: ignore[misc]
        """A job that notes why the queue did not take it."""

        async def _submit_job(self, script_filename: str) -> str:
            try:
                return str(await super()._submit_job(script_filename))
            except (OSError, RuntimeError) as error:
                failures.append(_reason(error))
                raise

    if queue.script is None:
        return NotingJob, settings
    script = queue.script
    # A script may have placeholders of its own (XXXextra1XXX): their values are no job settings.
    extra = {name: settings.pop(name) for name in list(settings) if name.startswith("extra")}

    class FilledJob(NotingJob):
        """A job with the user's own script."""

        def job_script(self) -> str:
            logs = f"{self.log_directory or '.'}/{self.job_name}"
            return filled(
                script,
                {
                    "name": self.job_name,
                    "command": self._command_template,
                    "threads": self.worker_cores,
                    "cores": self.worker_cores,
                    "dedicated": self.worker_cores,
                    "mpinodes": 1,
                    "nodes": 1,
                    "queue": settings.get("queue"),
                    "outfile": f"{logs}.out",
                    "errfile": f"{logs}.err",
                    **extra,
                },
            )

    return FilledJob, settings


def _reason(error: Exception) -> str:
    """Return what a queue's own program said, or else the failure."""
    said = str(error).partition("stderr:\n")[2].strip() or str(error)
    return " ".join(said.split())


def _made(make: Callable[[], Any]) -> Any:
    """Make a cluster or job; what its settings have wrong becomes one sentence."""
    try:
        return make()
    except (TypeError, ValueError) as error:
        wrong = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        what = f"{wrong[1]} is not one of them" if wrong else " ".join(str(error).split())
        raise InputError(f"The queue's settings are not dask-jobqueue's: {what}.") from error
    except (OSError, RuntimeError) as error:
        raise InputError(f"No jobs can be started: {' '.join(str(error).split())}") from error
