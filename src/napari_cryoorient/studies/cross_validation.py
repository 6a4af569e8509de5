"""Cross-validation over w: every particle is tested once (Lian et al. 2022, figures 5 to 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_cryoorient.studies.folder import write_table
from napari_cryoorient.studies.job import TrainingCommand
from napari_cryoorient.studies.pictures import save_bands, save_spread_against_w
from napari_cryoorient.studies.results import Row, finished, grouped, metrics_of, spread_of
from napari_cryoorient.studies.study import Study

MEASURES = ("test_rmse", "test_relative_rmse", "angular_error_deg")


def cross_validation_study(
    folder: Path, training: TrainingCommand, w_values: Sequence[float], n_folds: int
) -> Study:
    """Make the study: DIR/runs/w0.30-fold1 and so on, ``summary.csv``, ``rmse.png``, ``curves-*``.

    The parts are the same for every w: they follow from the seed.
    """
    jobs = tuple(
        training.job(
            f"w{w:.2f}-fold{fold}",
            folder / "runs",
            {"w": w, "fold": fold},
            w=w,
            n_folds=n_folds,
            fold=fold,
        )
        for w in sorted(set(w_values))
        for fold in range(1, n_folds + 1)
    )
    settings = {**training.described(), "n_folds": n_folds}
    return Study("cross-validation", folder, settings, jobs, summarise)


def summarise(study: Study, rows: list[Row]) -> dict[str, Any]:
    """Write mean and spread over the folds for every w, and draw the curves of each w."""
    summary = summary_of(rows)
    write_table(study.folder / "summary.csv", summary)
    best = min(summary, key=lambda line: float(line["test_relative_rmse_mean"]))
    title = (
        f"Best at w = {best['w']:g}: relative RMSE {best['test_relative_rmse_mean']:.3f}"
        f" \N{PLUS-MINUS SIGN} {best['test_relative_rmse_sd']:.3f}"
    )
    save_spread_against_w(study.folder / "rmse.png", summary, best_w=best["w"], title=title)
    jobs = {job.name: job for job in study.jobs}
    for w, folds in grouped(finished(rows), lambda row: row["w"]).items():
        save_bands(
            study.folder / f"curves-w{w:.2f}.png",
            [metrics_of(jobs[row["name"]]) for row in folds],
            title=f"w = {w:g}, {len(folds)} folds",
        )
    return {"best": best, "summary": summary}


def summary_of(rows: Sequence[Row]) -> list[Row]:
    """Return one line for each w: mean and standard deviation over its folds, and the pooled RMSE.

    The pooled figure weighs every particle alike: the root of the folds' mean square.
    """
    summary = []
    for w, folds in grouped(finished(rows), lambda row: row["w"]).items():
        line: Row = {
            "w": w,
            "n_folds": len(folds),
            "n_tested": sum(int(row["n_test"]) for row in folds),
        }
        for name in MEASURES:
            spread = spread_of([row[name] for row in folds])
            line |= {f"{name}_mean": spread.mean, f"{name}_sd": spread.deviation}
        squares = sum(int(row["n_test"]) * float(row["test_rmse"]) ** 2 for row in folds)
        line["pooled_rmse"] = math.sqrt(squares / line["n_tested"])
        summary.append(line)
    return summary
