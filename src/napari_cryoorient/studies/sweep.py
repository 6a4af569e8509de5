"""The sweep over w: a run for each weight of QD (Lian et al. 2022, figure 3, table 1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_cryoorient.studies.job import TrainingCommand
from napari_cryoorient.studies.pictures import (
    save_curves_by_w,
    save_figure_against_w,
    save_preview,
)
from napari_cryoorient.studies.results import Row, best_of, finished, metrics_of
from napari_cryoorient.studies.study import Study


def sweep_study(folder: Path, training: TrainingCommand, w_values: Sequence[float]) -> Study:
    """Make the study: DIR/runs/w0.30 and so on, ``rmse.png``, ``curves.png``, ``best.png``."""
    jobs = tuple(
        training.job(f"w{w:.2f}", folder / "runs", {"w": w}, w=w) for w in sorted(set(w_values))
    )
    return Study("sweep", folder, training.described(), jobs, summarise)


def summarise(study: Study, rows: list[Row]) -> dict[str, Any]:
    """Draw RMSE and angular error against w, all curves, and the best run's test particles."""
    best = best_of(rows)
    assert best is not None
    done = finished(rows)
    title = f"Best at w = {best['w']:g}: relative RMSE {best['test_relative_rmse']:.3f}"
    save_figure_against_w(study.folder / "rmse.png", {None: done}, best_w=best["w"], title=title)
    jobs = {job.name: job for job in study.jobs}
    save_curves_by_w(
        study.folder / "curves.png", [(row["w"], metrics_of(jobs[row["name"]])) for row in done]
    )
    save_preview(study.folder / "best.png", jobs[best["name"]], title=f"w = {best['w']:g}")
    return {"best": best}
