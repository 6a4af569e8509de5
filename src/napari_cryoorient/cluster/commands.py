"""What a command does to have its work spread: a folder of parts, and those who fill it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_cryoorient.budget import Budget
from napari_cryoorient.cluster.dask_executor import DaskExecutor
from napari_cryoorient.cluster.executors import Executor, LocalExecutor
from napari_cryoorient.cluster.parts import PartsFolder
from napari_cryoorient.cluster.spread import InParts
from napari_cryoorient.cluster.workers import executor_of
from napari_cryoorient.config import Config, SpreadConfig
from napari_cryoorient.memory import budget_of
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.runs.fingerprint import sum_over
from napari_cryoorient.runs.named_files import files_of
from napari_cryoorient.settings import OF_THE_MACHINE
from napari_cryoorient.tasks.spread import AT_ONCE, Spread


class Workplace:
    """Who does the work of the commands of ``config``, one after the other: found at first need.

    Those that were started end with the ``with`` block.
    """

    def __init__(self, config: SpreadConfig, reporter: Reporter) -> None:
        self._config, self._reporter = config, reporter
        self._stack = ExitStack()
        self._executor: DaskExecutor | None = None

    def __enter__(self) -> Workplace:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def is_elsewhere(self) -> bool:
        """Whether others than this process do the work."""
        return self._config.is_spread

    def workers(self) -> DaskExecutor:
        """Return the workers; raises InputError where they cannot be reached or started."""
        if self._executor is None:
            self._executor = self._stack.enter_context(
                executor_of(self._config, self._reporter.say)
            )
        return self._executor

    def executor(self) -> Executor:
        """Return whoever does the work: this process where nobody else is named."""
        return self.workers() if self.is_elsewhere else LocalExecutor()

    @contextmanager
    def spread(
        self,
        command: str,
        settings: Config,
        out_path: Path,
        *,
        particles: Path,
        others: Mapping[str, Path | None],
        project_dir: Path | None,
        **also: Any,
    ) -> Iterator[Spread]:
        """Give how the work of a command is spread; ``others`` are the files it reads by names.

        ``also`` are settings beside ``settings`` that the result depends on.  The folder of parts
        that nobody named is removed when all is done.  Raises InputError for a folder of another
        task.
        """
        config = self._config
        if not config.is_spread and config.parts is None:
            yield AT_ONCE
            return
        task = {
            "command": command,
            **_program(),
            **settings.model_dump(mode="json", exclude=set(OF_THE_MACHINE)),
            **also,
            **_sums(particles, others, project_dir),
        }
        own = out_path.with_name(f"{out_path.name}.parts")
        files = {
            "particles": particles,
            "map": others.get("the map"),
            "project_dir": project_dir,
        }
        folder = PartsFolder(own if config.parts is None else Path(config.parts), task, files)
        try:
            device = getattr(settings, "device", "auto")
            yield InParts(folder, self.executor, device, _memory_of_each(config, settings))
        except KeyboardInterrupt:
            if folder.path.exists():
                self._reporter.say(
                    f"Finished parts are kept in {folder.path}; the same command continues "
                    "from them."
                )
            raise
        if config.parts is None:
            folder.remove()


def _memory_of_each(config: SpreadConfig, settings: Config) -> Budget | None:
    """Return what each process may take: processes of this machine share what a command may.

    None leaves it to those elsewhere, where another part of memory is free.
    """
    memory_gib: float | None = getattr(settings, "memory_gib", None)
    if config.scheduler is not None or config.cluster is not None:
        return None if memory_gib is None else budget_of(memory_gib)
    whole = budget_of(memory_gib)
    if whole is None or config.workers is None:
        return whole
    return replace(whole, n_bytes=whole.n_bytes // config.workers)


def _program() -> dict[str, str]:
    from napari_cryoorient import __version__

    return {"version": __version__}


def _sums(
    particles: Path, others: Mapping[str, Path | None], project_dir: Path | None
) -> dict[str, Any]:
    """Return sums over the contents of what is read."""
    stacks = sorted(set(files_of("particles", particles, project_dir)) - {particles})
    return {
        "the particles' file": sum_over([particles]),
        "the size of the stacks": sum(path.stat().st_size for path in stacks),
        "the stacks": sum_over(stacks),
        **{name: None if path is None else sum_over([path]) for name, path in others.items()},
    }
