"""Jobs of a queue: its settings, and the script that starts a worker.

The script is ``dask-jobqueue``'s, or the user's own with RELION's placeholders (``XXXnameXXX``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_cryoorient.config import QUEUES
from napari_cryoorient.errors import InputError

COMMAND = "XXXcommandXXX"
# How a script tells which queue it is written for.
_MARKS = {"slurm": "#SBATCH", "pbs": "#PBS", "sge": "#$"}
_PLACEHOLDER = re.compile(r"XXX(\w+?)XXX")
# What a job gets where the user says nothing; further settings are dask-jobqueue's.
_DEFAULTS: dict[str, Any] = {"cores": 1, "memory": "4GB", "job_name": "cryoorient"}


@dataclass(frozen=True)
class Queue:
    """A queue's ``system``, the settings of ``dask-jobqueue`` for its jobs, and their number.

    ``script`` is the user's own job script with placeholders, None for ``dask-jobqueue``'s.
    """

    system: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    n_jobs: int | None = None
    script: str | None = None

    @property
    def job_settings(self) -> dict[str, Any]:
        """Return the settings with what is to be taken where the user says nothing."""
        settings = {**_DEFAULTS, **self.settings}
        # Torch shares out no work well among a process's threads: each core gets a process.
        settings.setdefault("processes", settings["cores"])
        return settings


def queue_of(named: str) -> Queue:
    """Return the queue that ``--cluster`` names: a system, a YAML file or a job script.

    Raises InputError for a file that is not there, or is neither.
    """
    if named in QUEUES:
        return Queue(named)
    path = Path(named)
    if not path.is_file():
        raise InputError(
            f"--cluster takes {', '.join(QUEUES)}, a .yaml file or a job script, and there is no "
            f"file {named}."
        )
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix.lower() not in (".yaml", ".yml"):
        return Queue(_system_of(text, path), script=_checked(text, path))
    return _of_yaml(text, path)


def _of_yaml(text: str, path: Path) -> Queue:
    import yaml  # comes with Dask

    try:
        settings = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"The queue's settings are not YAML: check {path}.") from error
    if not isinstance(settings, dict) or settings.get("system") not in QUEUES:
        raise InputError(
            f"The queue's settings need a line like system: slurm ({', '.join(QUEUES)}): check "
            f"{path}."
        )
    settings = dict(settings)
    system, n_jobs = settings.pop("system"), settings.pop("jobs", None)
    if n_jobs is not None and (not isinstance(n_jobs, int) or n_jobs < 1):
        raise InputError(f"jobs has to be a number from 1 on, not {n_jobs!r}: check {path}.")
    script = settings.pop("script", None)
    if script is not None:
        found = path.parent / str(script)
        if not found.is_file():
            raise InputError(f"There is no job script {found}, which {path} names.")
        script = _checked(found.read_text(encoding="utf-8", errors="replace"), found)
    return Queue(system, settings, n_jobs, script)


def _system_of(text: str, path: Path) -> str:
    for system, mark in _MARKS.items():
        if any(line.startswith(mark) for line in text.splitlines()):
            return system
    raise InputError(
        f"A job script needs the lines of its queue ({', '.join(_MARKS.values())}), and there are "
        f"none in {path}."
    )


def _checked(text: str, path: Path) -> str:
    if COMMAND not in text:
        raise InputError(
            f"A job script needs {COMMAND} where the command belongs, and there is none in {path}."
        )
    return text


def filled(script: str, values: Mapping[str, Any]) -> str:
    """Return a script with RELION's placeholders filled in.

    Raises InputError for one that has no value: it is a setting of the user's.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values or values[name] is None:
            raise InputError(
                f"The job script's {match[0]} has no value: write it into the script, or give "
                f"{name} in the .yaml file."
            )
        return str(values[name])

    return _PLACEHOLDER.sub(value, script)
