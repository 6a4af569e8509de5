"""Representations of rotations and learning rates side by side (Lian et al. 2022, table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_cryoorient.config.base import text_of
from napari_cryoorient.studies.job import TrainingCommand
from napari_cryoorient.studies.pictures import save_bars
from napari_cryoorient.studies.results import Row, best_of, finished, grouped
from napari_cryoorient.studies.study import Study

REPRESENTATIONS = ("quaternion", "axis-angle", "6d")


def representation_study(
    folder: Path,
    training: TrainingCommand,
    representations: Sequence[str],
    learning_rates: Sequence[float],
    w_values: Sequence[float],
) -> Study:
    """Make the study: a run for every w, representation and learning rate, and ``rmse.png``."""
    jobs = tuple(
        training.job(
            f"w{w:.2f}-{representation}-lr{text_of(rate)}",
            folder / "runs",
            {"w": w, "representation": representation, "learning_rate": rate},
            w=w,
            representation=representation,
            learning_rate=rate,
        )
        for w in dict.fromkeys(w_values)
        for representation in dict.fromkeys(representations)
        for rate in dict.fromkeys(learning_rates)
    )
    return Study("representation-study", folder, training.described(), jobs, summarise)


def summarise(study: Study, rows: list[Row]) -> dict[str, Any]:
    """Draw all runs side by side and name the best of each representation."""
    save_bars(study.folder / "rmse.png", finished(rows))
    groups = grouped(finished(rows), lambda row: row["representation"])
    return {
        "best": best_of(rows),
        "best_of_each": {str(name): best_of(group) for name, group in groups.items()},
    }
