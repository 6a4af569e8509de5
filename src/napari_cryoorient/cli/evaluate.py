"""``evaluate``: predicted poses against true ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import build_settings, with_settings
from napari_cryoorient.config import EvaluateConfig

SUMMARY = "Compare predicted poses with true ones."
LABELS = {
    "n": ("particles compared", "{:d}"),
    "median_deg": ("median angular error", "{:.2f}\N{DEGREE SIGN}"),
    "mean_deg": ("mean angular error", "{:.2f}\N{DEGREE SIGN}"),
    "fraction_under_5_deg": ("under 5\N{DEGREE SIGN}", "{:.1%}"),
    "fraction_under_10_deg": ("under 10\N{DEGREE SIGN}", "{:.1%}"),
    "shift_median_angstrom": ("median shift error", "{:.2f} \u00c5"),
    "shift_rms_angstrom": ("r.m.s. shift error", "{:.2f} \u00c5"),
    "rmse": ("reprojection RMSE (eq. 16, map's grey values)", "{:.4g}"),
    "relative_rmse": ("relative RMSE (0 perfect, 1.4 random)", "{:.3f}"),
}


@with_settings(EvaluateConfig)
def run(
    predicted_path: Annotated[
        Path,
        typer.Argument(metavar="PRED.star", help="Predicted poses; no images are needed."),
        Reads("particles"),
    ],
    true_path: Annotated[
        Path,
        typer.Argument(metavar="TRUE.star", help="True poses, in any order."),
        Reads("particles"),
    ],
    run_dir: Annotated[
        Path | None,
        typer.Option(
            "--run", metavar="RUN", help="Compare only the particles that this run held out."
        ),
        Reads("run"),
    ] = None,
    map_path: options.OptionalMapPath = None,
    pixel_size: options.PixelSize = None,
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Compare the poses of two STAR files, particle by particle, paired by image name.

    With a map also the difference between their projections, at the true shift.
    """
    from napari_cryoorient.tasks.evaluate import evaluate_files

    config = build_settings(EvaluateConfig, settings)
    with progress("Comparing") as advance:
        done = evaluate_files(
            predicted_path,
            true_path,
            config,
            run_dir=run_dir,
            map_path=map_path,
            map_pixel_size_angstrom=pixel_size,
            reporter=advance.reporter,
        )
    results: dict[str, Any] = done.found.summary()
    results |= {
        "symmetry": config.symmetry,
        "only_in_predicted": done.n_only_in_predicted,
        "only_in_true": done.n_only_in_true,
    }
    print(table_of(results))
    if json:
        print_json(results)


def table_of(results: dict[str, Any]) -> str:
    """Lay the known figures out, one a line."""
    width = max(len(label) for key, (label, _) in LABELS.items() if key in results)
    return "\n".join(
        f"{label:<{width}}  {form.format(results[key])}"
        for key, (label, form) in LABELS.items()
        if key in results
    )
