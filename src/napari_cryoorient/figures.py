"""The pictures a run leaves behind: curves, and input beside true and predicted projections.

Matplotlib is imported when a picture is drawn and draws without a screen. The ending of the path
chooses the format (png, svg, pdf).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.particles import Floats, Images
from napari_cryoorient.settings import W

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#6b6b6b"  # told apart by all
# Of w at its lowest (projections alone), in the middle and at its highest (rotations alone).
_OF_W = ((0.99, 0.48, 0.15), (0.90, 0.88, 0.80), (0.25, 0.62, 0.99))
_MIDDLE_ON_PAPER = (0.60, 0.58, 0.53)  # the middle of a dark window would not be seen on white
ROWS_IN_BLOCK = 4
SCALE_BARS_ANGSTROM = (10, 20, 50, 100, 200, 500, 1000)


def colour_of_w(w: float, *, on_paper: bool = False) -> tuple[float, float, float, float]:
    """Return the colour (r, g, b, a) of a ``w``, in a dark window or on white paper."""
    low, middle, high = _OF_W
    scale = (low, _MIDDLE_ON_PAPER if on_paper else middle, high)
    places = np.linspace(*W.bounds(), 3)
    red, green, blue = (float(np.interp(w, places, part)) for part in zip(*scale, strict=True))
    return red, green, blue, 1.0


def save_triptych(
    path: Path,
    inputs: Images,
    true: Images,
    predicted: Images,
    errors_deg: Floats,
    *,
    pixel_size_angstrom: float,
    title: str = "",
    labels: Sequence[str] = (),
) -> None:
    """Draw a row for each particle: input, projection at the true pose, at the predicted pose.

    ``inputs`` may have another box than ``true`` and ``predicted``, which share their grey scale;
    all are ``(k, N, N)``. ``pixel_size_angstrom`` is that of the projections.
    """
    n = len(inputs)
    n_blocks = 1 if n <= ROWS_IN_BLOCK else 2
    n_rows = math.ceil(n / n_blocks)
    figure = _figure(0.3 + n_blocks * 5.2, 0.62 + n_rows * 1.5)
    widths = [1.0, 1.0, 1.0, 0.55] * n_blocks
    grid = figure.add_gridspec(n_rows, len(widths), width_ratios=widths)
    heads = ("Input", "True pose", "Predicted pose")
    for index in range(n):
        block, row = divmod(index, n_rows)
        pair = np.stack([true[index], predicted[index]])
        limits = (float(pair.min()), float(np.quantile(pair, 0.998)))
        low, high = np.quantile(inputs[index], [0.01, 0.99])
        for column, (image, (bottom, top)) in enumerate(
            zip(
                (inputs[index], true[index], predicted[index]),
                ((float(low), float(high)), limits, limits),
                strict=True,
            )
        ):
            axes = figure.add_subplot(grid[row, 4 * block + column])
            axes.imshow(image, cmap="gray", vmin=bottom, vmax=top, interpolation="bilinear")
            axes.set_axis_off()
            if row == 0:
                axes.set_title(heads[column], fontsize=10)
            if index == 0 and column == 1:
                _scale_bar(axes, true.shape[-1], pixel_size_angstrom)
        side = figure.add_subplot(grid[row, 4 * block + 3])
        side.set_axis_off()
        side.text(0, 0.56, f"{errors_deg[index]:.1f}\N{DEGREE SIGN}", fontsize=14, va="center")
        label = labels[index] if len(labels) else "off"
        side.text(0, 0.36, label, fontsize=8, color=GREY, va="center")
    if title:
        figure.suptitle(title, fontsize=11)
    _save(figure, path)


def save_curves(path: Path, metrics: Sequence[Mapping[str, Any]], *, title: str = "") -> None:
    """Draw angular error, relative RMSE and losses against training time, w below them.

    ``metrics`` are lines of ``metrics.jsonl``, in order.
    """
    figure = _figure(7.2, 8.2)
    angle, rmse, loss, weight = figure.subplots(
        4, 1, sharex=True, gridspec_kw={"height_ratios": [3, 3, 3, 1]}
    )
    seconds = _column(metrics, "seconds")
    unit = 60.0 if len(seconds) and seconds[-1] > 120 else 1.0
    time = seconds / unit

    error = _tested(_column(metrics, "angular_error_deg"))
    _line(angle, time, error, BLUE, "test particles, median")
    angle.set_ylabel("Angular error (\N{DEGREE SIGN})")
    if np.isfinite(error).any():
        angle.set_yscale("log")
        angle.yaxis.set_major_formatter(_plain_numbers())
        angle.yaxis.set_minor_formatter(_plain_numbers(few=True))

    _line(rmse, time, _column(metrics, "train_relative_rmse"), GREY, "training images", faint=True)
    tested_rmse = _tested(_column(metrics, "test_relative_rmse"))
    _line(rmse, time, tested_rmse, BLUE, "test particles")
    rmse.set_ylabel("Reprojection RMSE /\nstd. of projections")
    rmse.set_ylim(bottom=0)

    _line(loss, time, _column(metrics, "qd"), VERMILLION, "quaternion distance (QD)", faint=True)
    _line(loss, time, _column(metrics, "reprojection"), GREEN, "reprojection (L1)", faint=True)
    loss.set_ylabel("Loss terms")
    loss.set_ylim(bottom=0)

    weight.step(time, _column(metrics, "w"), where="post", color="black", linewidth=1.2)
    weight.set_ylim(-0.08, 1.08)
    weight.set_yticks([0, 0.5, 1])
    weight.set_ylabel("w")
    weight.set_xlabel(f"Training time ({'min' if unit == 60 else 's'})")
    for axes in (angle, rmse, loss):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=9, loc="upper right")
    for axes in (angle, rmse, loss, weight):
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
        axes.set_xlim(left=0)
    figure.align_ylabels()
    if title:
        figure.suptitle(title, fontsize=11)
    _save(figure, path)


def save_error_histogram(path: Path, errors_deg: Floats, *, title: str = "") -> None:
    """Draw how the angular errors are spread, as a histogram with the cumulative share over it."""
    figure = _figure(6.4, 3.6)
    axes = figure.subplots()
    edges = np.geomspace(0.1, 180, 60)
    axes.hist(np.clip(errors_deg, 0.1, 180), bins=list(edges), color=BLUE, alpha=0.75)
    axes.set_ylim(top=1.18 * axes.get_ylim()[1])  # room for the label of the median
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_plain_numbers())
    axes.set_xlim(0.1, 180)
    axes.set_xlabel("Angular error (\N{DEGREE SIGN})")
    axes.set_ylabel("Particles")
    share = axes.twinx()
    ordered = np.sort(errors_deg)
    share.plot(ordered, 100 * np.arange(1, len(ordered) + 1) / len(ordered), color=VERMILLION)
    share.set_ylabel("Share below (%)", color=VERMILLION)
    share.set_ylim(0, 118)
    share.set_yticks([0, 20, 40, 60, 80, 100])
    axes.axvline(float(np.median(errors_deg)), color="black", linewidth=1, linestyle="--")
    axes.annotate(
        f"median {np.median(errors_deg):.1f}\N{DEGREE SIGN}",
        (float(np.median(errors_deg)), 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(5, -12),
        textcoords="offset points",
        fontsize=9,
    )
    for each in (axes, share):
        each.spines["top"].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=11)
    _save(figure, path)


def save_fsc(path: Path, curves: Mapping[str, tuple[Floats, Floats]], *, title: str = "") -> None:
    """Draw Fourier shell correlations, each a pair of frequencies (1/angstrom) and values.

    Thresholds 0.5 and 0.143 are marked, and the resolution where a curve first falls below them.
    """
    figure = _figure(6.4, 4.2)
    axes = figure.subplots()
    colors = (BLUE, VERMILLION, GREEN, "#cc79a7", "#e69f00", "#56b4e9", GREY)
    highest = max(float(frequencies[-1]) for frequencies, _ in curves.values())
    for threshold in (0.5, 0.143):
        axes.axhline(threshold, color=GREY, linewidth=0.8, linestyle="--")
        axes.text(highest, threshold + 0.012, f"{threshold:g}", ha="right", fontsize=8, color=GREY)
    axes.axhline(0, color=GREY, linewidth=0.6)
    for (name, (frequencies, values)), color in zip(
        curves.items(), itertools.cycle(colors), strict=False
    ):
        axes.plot(frequencies, values, color=color, linewidth=1.6, label=name)
    axes.set_xlim(0, highest)
    axes.set_ylim(min(-0.05, *(float(np.min(v)) for _, v in curves.values())), 1.02)
    axes.set_ylabel("Fourier shell correlation")
    axes.set_xlabel("Resolution (\u00c5)")
    ticks = [float(t) for t in axes.get_xticks() if 0 <= t <= highest * (1 + 1e-9)]
    axes.set_xticks(ticks, ["\u221e" if tick == 0 else f"{1 / tick:.3g}" for tick in ticks])
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(0.01, 0.34))
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title, fontsize=11)
    _save(figure, path)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    """Save by Agg or the vector writer of the ending, whole or not at all."""
    kind = path.suffix.lstrip(".").lower() or "png"
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=150)


def _column(metrics: Sequence[Mapping[str, Any]], name: str) -> Floats:
    values = [line.get(name) for line in metrics]
    return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)


def _tested(values: Floats) -> Floats:
    """Keep a figure where it was measured, not where a line repeats the test before it."""
    repeated = np.zeros(len(values), dtype=bool)
    repeated[1:] = values[1:] == values[:-1]
    return np.where(repeated, np.nan, values)


def _line(
    axes: Axes, time: Floats, values: Floats, color: str, label: str, *, faint: bool = False
) -> None:
    """Draw the known values; noisy ones faintly, below their running mean."""
    known = np.isfinite(values)
    if not known.any():
        return
    time, values = time[known], values[known]
    if faint and len(values) >= 20:
        axes.plot(time, values, color=color, linewidth=0.7, alpha=0.3)
        width = max(3, len(values) // 40)
        padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
        values = np.convolve(padded, np.full(width, 1 / width), mode="valid")
    marker = "o" if len(values) < 40 and not faint else None
    axes.plot(time, values, color=color, linewidth=1.6, label=label, marker=marker, markersize=3)


def _scale_bar(axes: Axes, box: int, pixel_size_angstrom: float) -> None:
    """Draw a bar of a round length, about a third of the image."""
    field = box * pixel_size_angstrom
    length = max(
        (bar for bar in SCALE_BARS_ANGSTROM if bar <= 0.4 * field), default=SCALE_BARS_ANGSTROM[0]
    )
    left, level = 0.06 * box, 0.93 * box
    axes.plot([left, left + length / pixel_size_angstrom], [level, level], color="white", lw=2.2)
    axes.text(left, level - 0.03 * box, f"{length} \u00c5", color="white", fontsize=8)


def _plain_numbers(few: bool = False) -> Any:
    """Format ticks as 0.5, 2, 50; ``few`` keeps only 2 and 5 of the minor ones."""
    from matplotlib.ticker import FuncFormatter

    def text(value: float, _position: int | None) -> str:
        leading = round(value / 10 ** math.floor(math.log10(value))) if value > 0 else 0
        return f"{value:g}" if not few or leading in (2, 5) else ""

    return FuncFormatter(text)
