"""The settings of who does the work: processes here, a Dask cluster, or jobs of a queue."""

from __future__ import annotations

from typing import Annotated

from napari_cryoorient.config.base import Config
from napari_cryoorient.settings import Setting

QUEUES = ("slurm", "pbs", "sge")


class SpreadConfig(Config):
    """How the work is spread; without any of these it is done in one process, nothing kept."""

    workers: Annotated[
        int | None,
        Setting(
            "Processes on this machine that share the work, one for each GPU where there are any; "
            "with --cluster, jobs",
            metavar="N",
            label="Processes",
            left_open="one process, or one job",
            ge=1,
            le=4096,
        ),
    ] = None
    scheduler: Annotated[
        str | None,
        Setting(
            "Address of a Dask scheduler whose workers do the work, such as tcp://node7:8786",
            metavar="ADDRESS",
            label="Dask scheduler",
        ),
    ] = None
    cluster: Annotated[
        str | None,
        Setting(
            "Start jobs of a queue to do the work: slurm, pbs or sge, or a file with the queue's "
            "settings (.yaml), or a job script with RELION's placeholders",
            metavar="slurm|pbs|sge|FILE",
            label="Queue",
        ),
    ] = None
    parts: Annotated[
        str | None,
        Setting(
            "Folder that finished parts are kept in, from which the same command continues",
            metavar="FOLDER",
            left_open="OUT.parts while under way, if the work is spread",
        ),
    ] = None
    dry_run: Annotated[
        bool,
        Setting("With --cluster, print the job script and do nothing", flags=("--dry-run",)),
    ] = False

    @property
    def is_spread(self) -> bool:
        """Whether others than this process do the work."""
        return not (self.workers is None and self.scheduler is None and self.cluster is None)
