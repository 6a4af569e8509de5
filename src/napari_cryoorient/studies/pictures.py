"""The pictures of studies: figures of merit against what was varied, curves, example particles.

Matplotlib is imported when a picture is drawn and draws without a screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cryoorient.config.base import text_of
from napari_cryoorient.figures import BLUE, GREEN, GREY, VERMILLION, colour_of_w, save_triptych
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.particles import Floats
from napari_cryoorient.settings import W
from napari_cryoorient.studies.job import Job
from napari_cryoorient.studies.results import (
    Row,
    curve_on,
    preview_of,
    working_pixel_size_angstrom,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RMSE_LABEL = "Reprojection RMSE /\nstd. of projections"
ANGLE_LABEL = "Median angular error (\N{DEGREE SIGN})"
N_EXAMPLES = 8
N_CURVE_POINTS = 200
COLORS = (BLUE, VERMILLION, GREEN, "#cc79a7", "#e69f00", "#56b4e9")
Metrics = Sequence[Mapping[str, Any]]


def save_figure_against_w(
    path: Path,
    series: Mapping[str | None, Sequence[Row]],
    *,
    best_w: float | None = None,
    title: str = "",
    angles: bool = True,
) -> None:
    """Draw relative RMSE and angular error of held-out particles against w (figure 3).

    ``series`` are rows by label; None stands for a single one without a legend.  ``angles`` False
    leaves the angular error out, which tells nothing of symmetric particles trained as C1.
    """
    if angles:
        figure, axes = _two_axes()
    else:
        figure = _figure(5.2, 3.6)
        axes = (figure.subplots(),)
    names = ("test_relative_rmse", "angular_error_deg")
    for (label, rows), color in zip(series.items(), COLORS, strict=False):
        for each, name in zip(axes, names, strict=False):
            each.plot(_column(rows, "w"), _column(rows, name), "o-", color=color, label=label)
    _finish_w(axes, best_w)
    if None not in series:
        axes[0].legend(frameon=False, fontsize=9)
    _save(figure, path, title)


def save_spread_against_w(
    path: Path, summary: Sequence[Row], *, best_w: float, title: str = ""
) -> None:
    """Draw mean and standard deviation over the folds against w (figure 5)."""
    figure, axes = _two_axes()
    for each, name in zip(axes, ("test_relative_rmse", "angular_error_deg"), strict=True):
        each.errorbar(
            _column(summary, "w"),
            _column(summary, f"{name}_mean"),
            yerr=np.nan_to_num(_column(summary, f"{name}_sd")),
            fmt="o-",
            color=BLUE,
            capsize=3,
        )
    _finish_w(axes, best_w)
    _save(figure, path, title)


def save_curves_by_w(path: Path, runs: Sequence[tuple[float, Metrics]]) -> None:
    """Draw the relative RMSE on test particles against the step, every run coloured by its w."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    figure = _figure(6.4, 3.8)
    axes = figure.subplots()
    low, high = W.bounds()
    scale = [colour_of_w(w, on_paper=True) for w in np.linspace(low, high, 9)]
    for w, metrics in runs:
        steps = _steps([metrics])
        curve = curve_on(steps, list(map(dict, metrics)), "test_relative_rmse", tested=True)
        axes.plot(steps, curve, color=colour_of_w(w, on_paper=True), linewidth=1.5)
    axes.set_xlabel("Step")
    axes.set_ylabel(RMSE_LABEL)
    _from_zero(axes)
    figure.colorbar(
        ScalarMappable(Normalize(low, high), LinearSegmentedColormap.from_list("w", scale)),
        ax=axes,
        label="w",
    )
    _plain(axes)
    _save(figure, path)


def save_bands(path: Path, runs: Sequence[Metrics], *, title: str = "") -> None:
    """Draw losses and RMSE against the step, mean over the runs and a standard deviation about it.

    The upper plot has the objective, QD and the reprojection loss; the lower one the relative
    RMSE of training images and of held-out particles (figures 6 and 7).
    """
    figure = _figure(6.4, 6.0)
    losses, rmse = figure.subplots(2, 1, sharex=True)
    steps = _steps(runs)
    curves_drawn = (
        (losses, "loss", "objective", GREY, False),
        (losses, "qd", "quaternion distance (QD)", VERMILLION, False),
        (losses, "reprojection", "reprojection (L1)", GREEN, False),
        (rmse, "train_relative_rmse", "training images", GREY, False),
        (rmse, "test_relative_rmse", "held-out particles", BLUE, True),
    )
    for axes, name, label, color, is_test in curves_drawn:
        curves = np.stack([curve_on(steps, list(map(dict, m)), name, tested=is_test) for m in runs])
        _band(axes, steps, curves, color, label)
    for axes in (losses, rmse):
        _from_zero(axes)
        axes.legend(frameon=False, fontsize=9)
        _plain(axes)
    losses.set_ylabel("Loss terms")
    rmse.set_ylabel(RMSE_LABEL)
    rmse.set_xlabel("Step")
    figure.align_ylabels()
    _save(figure, path, title)


def save_figure_against_snr(path: Path, rows: Sequence[Row]) -> None:
    """Draw relative RMSE and angular error against the signal-to-noise ratio (table 2)."""
    figure, axes = _two_axes()
    places = np.arange(len(rows))
    names = ["none" if row["snr"] is None else f"{row['snr']:g}" for row in rows]
    for each, name in zip(axes, ("test_relative_rmse", "angular_error_deg"), strict=True):
        each.plot(places, _column(rows, name), "o-", color=BLUE)
        each.set_xticks(places, ["noiseless" if n == "none" else n for n in names])
        each.set_xlabel("Signal-to-noise ratio")
        _from_zero(each)
        _plain(each)
    axes[0].set_ylabel(RMSE_LABEL)
    axes[1].set_ylabel(ANGLE_LABEL)
    _save(figure, path)


def save_examples(path: Path, runs: Sequence[tuple[str, Job]], *, title: str = "") -> None:
    """Draw one particle's input, true and predicted projection, a column for each run.

    The particle is the same in all: of the test particles that every run shows, the one in the
    middle by its relative RMSE in all runs, which stands below (figures 8 to 10).
    """
    previews = [(label, p) for label, job in runs if (p := preview_of(job)) is not None]
    if not previews:
        return
    errors = np.stack([_relative_rmse(preview) for _, preview in previews])
    chosen = int(np.argsort(errors.mean(axis=0))[errors.shape[1] // 2])
    figure = _figure(0.5 + 1.45 * len(previews), 4.9)
    grid = figure.subplots(3, len(previews), squeeze=False)
    heads = ("Input", "True pose", "Predicted pose")
    for column, (label, preview) in enumerate(previews):
        true, predicted = (
            preview[name][chosen] for name in ("true_projection", "predicted_projection")
        )
        limits = (float(true.min()), float(true.max()))
        low, high = np.quantile(preview["input"][chosen], [0.005, 0.995])
        images = (preview["input"][chosen], true, predicted)
        for row, (image, (bottom, top)) in enumerate(
            zip(images, ((float(low), float(high)), limits, limits), strict=True)
        ):
            axes = grid[row, column]
            axes.imshow(image, cmap="gray", vmin=bottom, vmax=top, interpolation="bilinear")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if column == 0:
                axes.set_ylabel(heads[row], fontsize=10)
        grid[0, column].set_title(label, fontsize=10)
        grid[2, column].set_xlabel(f"RMSE {errors[column, chosen]:.2f}", fontsize=9)
    _save(figure, path, title)


def save_bars(path: Path, rows: Sequence[Row]) -> None:
    """Draw the relative RMSE of every representation and learning rate, a plot for each w."""
    w_values = list(dict.fromkeys(row["w"] for row in rows))
    rates = list(dict.fromkeys(row["learning_rate"] for row in rows))
    names = list(dict.fromkeys(row["representation"] for row in rows))
    figure = _figure(2.0 + 3.2 * len(w_values), 3.6)
    axes = figure.subplots(1, len(w_values), sharey=True, squeeze=False)[0]
    width = 0.8 / len(rates)
    for each, w in zip(axes, w_values, strict=True):
        for index, (rate, color) in enumerate(zip(rates, COLORS * len(rates), strict=False)):
            found = {
                row["representation"]: row["test_relative_rmse"]
                for row in rows
                if row["w"] == w and row["learning_rate"] == rate
            }
            places = np.arange(len(names)) + (index - (len(rates) - 1) / 2) * width
            heights = [found.get(name, np.nan) for name in names]
            each.bar(places, heights, 0.9 * width, color=color, label=f"rate {text_of(rate)}")
        each.set_xticks(range(len(names)), names)
        each.set_title(f"w = {w:g}", fontsize=10)
        _plain(each)
    axes[0].set_ylabel(RMSE_LABEL)
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside right upper", frameon=False, fontsize=8, title="Learning rate"
    )
    _save(figure, path)


def save_preview(path: Path, job: Job, *, title: str = "") -> None:
    """Draw the fixed test particles of a run: input, true and predicted projection (figure 4)."""
    preview = preview_of(job)
    if preview is None:
        return
    chosen = slice(0, N_EXAMPLES)
    save_triptych(
        path,
        preview["input"][chosen],
        preview["true_projection"][chosen],
        preview["predicted_projection"][chosen],
        np.asarray(preview["angular_error_deg"][chosen], dtype=np.float64),
        pixel_size_angstrom=working_pixel_size_angstrom(job),
        title=title,
    )


def _relative_rmse(preview: Mapping[str, Any]) -> Floats:
    """Return the RMSE of each particle's projections over the deviation of all true ones (k,)."""
    true, predicted = preview["true_projection"], preview["predicted_projection"]
    spread = float(true.var(axis=(1, 2)).mean()) ** 0.5
    rmse = np.sqrt(np.square(predicted - true).mean(axis=(1, 2)))
    return np.asarray(rmse / max(spread, 1e-12), dtype=np.float64)


def _band(axes: Axes, steps: Floats, curves: Floats, color: str, label: str) -> None:
    """Draw mean and spread of curves (k, n) where all of them are known."""
    known = np.isfinite(curves).all(axis=0)
    if not known.any():
        return
    mean = curves[:, known].mean(axis=0)
    axes.plot(steps[known], mean, color=color, linewidth=1.6, label=label)
    if len(curves) > 1:
        spread = curves[:, known].std(axis=0, ddof=1)
        axes.fill_between(steps[known], mean - spread, mean + spread, color=color, alpha=0.2, lw=0)


def _steps(runs: Sequence[Metrics]) -> Floats:
    last = max((float(m[-1]["step"]) for m in runs if len(m)), default=1.0)
    return np.linspace(1.0, max(last, 1.0), N_CURVE_POINTS)


def _column(rows: Sequence[Row], name: str) -> Floats:
    values = [row.get(name) for row in rows]
    return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)


def _two_axes() -> tuple[Figure, tuple[Axes, ...]]:
    figure = _figure(8.0, 3.5)
    return figure, tuple(figure.subplots(1, 2))


def _finish_w(axes: Sequence[Axes], best_w: float | None) -> None:
    for each, label in zip(axes, (RMSE_LABEL, ANGLE_LABEL), strict=False):
        each.set_ylabel(label)
        each.set_xlabel("w (weight of the quaternion distance)")
        each.set_xlim(-0.04, 1.04)
        _from_zero(each)
        if best_w is not None:
            each.axvline(best_w, color=GREY, linewidth=1, linestyle="--", zorder=0)
        _plain(each)


def _from_zero(axes: Axes) -> None:
    """Let the axis begin at 0, with room above the highest value."""
    axes.set_ylim(0.0, max(axes.get_ylim()[1], axes.dataLim.ymax * 1.08))


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path, title: str = "") -> None:
    """Save whole or not at all."""
    if title:
        figure.suptitle(title, fontsize=11)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
