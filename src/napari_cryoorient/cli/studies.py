"""What the commands that train many runs share: flags, progress, the table at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cryoorient.cli.files import STUDY_FILES, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings
from napari_cryoorient.config import SpreadConfig, TrainConfig
from napari_cryoorient.errors import InputError, TrainingFailure
from napari_cryoorient.settings import W

if TYPE_CHECKING:
    from napari_cryoorient.studies.job import Job
    from napari_cryoorient.studies.results import Row
    from napari_cryoorient.studies.study import Study, StudyResult
    from napari_cryoorient.studies.workers import Started

Output = Annotated[
    Path,
    typer.Option("-o", "--output", metavar="DIR", help="Folder of the study."),
    Writes(inside=STUDY_FILES),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Runs side by side; more than there are GPUs share them. [default: one on the CPU, "
        "or one for each GPU]",
        show_default=False,
    ),
]
OnlyEstimate = Annotated[
    bool,
    typer.Option(
        "--estimate", help="Only say how long it will take, from the first run's first seconds."
    ),
]
Resume = Annotated[
    bool,
    typer.Option(help="Go on with the study in the folder; finished runs stay as they are."),
]
HEADS = {
    "w": "w",
    "fold": "fold",
    "snr": "SNR",
    "representation": "representation",
    "learning_rate": "rate",
    "state": "state",
    "test_rmse": "RMSE",
    "test_relative_rmse": "relative RMSE",
    "angular_error_deg": "median error (\N{DEGREE SIGN})",
}


def numbers_of(text: str, flag: str, low: float, high: float) -> list[float]:
    """Read ``0.1,0.5`` or the range ``0:1:0.1`` (start, end, step).

    Raises InputError for what is no list of numbers from ``low`` to ``high``.
    """
    try:
        if text.count(":") == 2:
            start, end, step = (float(part) for part in text.split(":"))
            if step <= 0:
                raise ValueError
            n = int((end - start) / step + 1e-9) + 1
            values = [round(start + i * step, 10) for i in range(n)]
        else:
            values = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        values = []
    if not values or not all(low <= value <= high for value in values):
        raise InputError(
            f"{flag} {text!r} is not a list of numbers from {low:g} to {high:g}: write "
            "0.1,0.5 or, as start, end and step, 0:1:0.1."
        )
    return values


def w_values_of(text: str) -> list[float]:
    """Read the values of w that a command is given; raises InputError."""
    return numbers_of(text, "--w-values", *W.bounds())


def check_settings(settings: dict[str, Any]) -> TrainConfig:
    """Refuse what the first run would refuse, before anything is made."""
    if settings.get("steps") is not None and settings.get("minutes") is not None:
        raise InputError("--steps and --minutes are both given: leave one of them out.")
    return build_settings(TrainConfig, settings)


def carry_out(
    study: Study,
    *,
    device: str,
    n_jobs: int | None,
    spreading: SpreadConfig,
    resume: bool,
    only_estimate: bool,
    json: bool,
    summary: Callable[[StudyResult], str],
) -> None:
    """Train the runs of a study, show how it goes, print the table and ``summary``.

    Raises TrainingFailure when some of the runs failed, once the others are done.
    """
    from napari_cryoorient.studies.study import run_study
    from napari_cryoorient.studies.workers import Worker, visible_gpus, workers_for

    if n_jobs is not None and spreading.is_spread:
        raise InputError(
            "--jobs is for runs side by side without Dask: leave it out, or what names workers "
            "(--workers, --scheduler, --cluster)."
        )
    with ExitStack() as stack:
        bar = stack.enter_context(progress("Preparing"))
        start: Callable[[Job, Worker], Started] | None = None
        if spreading.is_spread:
            from napari_cryoorient.cluster.workers import executor_of
            from napari_cryoorient.studies.remote import RemoteRun

            executor = stack.enter_context(executor_of(spreading, bar.say))
            workers = [Worker(f"worker {k}") for k in range(1, executor.n_places + 1)]

            def start(job: Job, _worker: Worker) -> Started:
                return RemoteRun(job, executor)

        else:
            workers = workers_for(device, n_jobs, visible_gpus(device))
        try:
            result = run_study(
                study,
                workers,
                resume=resume,
                only_estimate=only_estimate,
                reporter=bar.reporter,
                start=start,
            )
        except KeyboardInterrupt:
            bar.say(f"Stopped; the same command continues with the study in {study.folder}.")
            raise
    if only_estimate and not result.is_complete:
        if json:
            print_json({"folder": study.folder, "estimate": _estimate_of(result)})
        return
    print(table_of(result.rows))
    if result.failed:
        failed = "; ".join(f"{name} ({why})" for name, why in result.failed.items())
        raise TrainingFailure(
            f"{len(result.failed)} of {len(result.rows)} runs failed: {failed} What the others "
            f"came to is in {study.folder / 'table.csv'}; the same command tries again."
        )
    print(summary(result))
    print(f"Table, pictures and runs: {study.folder}")
    if json:
        facts = {"kind": study.kind, "folder": study.folder, "runs": result.rows}
        print_json(facts | result.facts | {"estimate": _estimate_of(result)})


def table_of(rows: Sequence[Row]) -> str:
    """Lay out what sets runs apart and what they came to, a run a line."""
    names = [name for name in HEADS if any(name in row for row in rows)]
    lines = [[HEADS[name] for name in names]]
    lines += [[_text(name, row.get(name)) for name in names] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def _text(name: str, value: Any) -> str:
    if value is None:
        return "noiseless" if name == "snr" else "-"
    if not isinstance(value, float):
        return str(value)
    forms = {"test_rmse": ".4g", "test_relative_rmse": ".3f", "angular_error_deg": ".1f"}
    return format(value, forms.get(name, "g"))


def _estimate_of(result: StudyResult) -> dict[str, Any] | None:
    return None if result.estimate is None else dict(vars(result.estimate))
