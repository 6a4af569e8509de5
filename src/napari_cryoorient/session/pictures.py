"""Figures of what the window shows, for papers and talks: PNG, or SVG and PDF with text as text.

Matplotlib is imported when a figure is drawn and draws without a screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.figures import colour_of_w
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.particles import Images, Integers
from napari_cryoorient.session.criteria import CRITERIA, Criterion, column_title, figure_of
from napari_cryoorient.session.display_filter import LowPassFiltered
from napari_cryoorient.session.follow import RunView
from napari_cryoorient.session.inspection import Inspection

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = (".png", ".svg", ".pdf")
INCHES_OF_IMAGE = 1.55
BARS_ANGSTROM = (5, 10, 20, 50, 100, 200, 500, 1000)
GREY = "#6b6b6b"
MANY = 3000  # points of a vector figure; above this they are drawn as one bitmap
# Fields of the metrics, the axis's title, and whether a test figure counts where it was measured.
_ROWS = (
    ("angular_error_deg", "Angular error (\N{DEGREE SIGN})", True),
    ("test_relative_rmse", "Relative RMSE", True),
    ("loss", "Loss", False),
)


def save_triptych(
    path: Path,
    inspection: Inspection,
    particles: Integers,
    names: Sequence[str],
    *,
    low_pass_angstrom: float | None = None,
) -> None:
    """Draw a row for each of some particles, a column for each view, a scale bar in angstrom.

    ``particles`` are places in the inspection, ``names`` what to call them. All projections of a
    row share one grey scale.

    Raises:
        InputError: where there is nothing to draw, or the ending is not known.

    """
    if not inspection.pictures or not len(particles):
        raise InputError("There are no particles to draw: load a stack first.")
    pictures = inspection.pictures
    n, width = len(particles), len(pictures) * INCHES_OF_IMAGE
    figure = _figure(width + 2.4, n * INCHES_OF_IMAGE + 0.5)
    ratios = [1.0] * len(pictures) + [2.2 / INCHES_OF_IMAGE]
    grid = figure.add_gridspec(n, len(pictures) + 1, width_ratios=ratios)
    columns: list[Images] = []
    for picture in pictures:
        seen = picture.images
        if low_pass_angstrom is not None:
            seen = LowPassFiltered(seen, low_pass_angstrom)
        images = seen.read(np.asarray(particles))
        is_shown = np.isfinite(images).all(axis=(1, 2), keepdims=True)
        columns.append(np.where(is_shown, images, np.float32(0.0)))
    for row in range(n):
        pair = [
            image[row]
            for picture, image in zip(pictures, columns, strict=True)
            if picture.role in ("true", "predicted")
        ]
        for column, (picture, images) in enumerate(zip(pictures, columns, strict=True)):
            axes = figure.add_subplot(grid[row, column])
            is_shared = picture.role in _SHARED
            of = np.concatenate([p.ravel() for p in pair]) if is_shared else images[row]
            low, high = (float(v) for v in np.quantile(of, (0.005, 0.995)))
            axes.imshow(images[row], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes.set_axis_off()
            if row == 0:
                axes.set_title(picture.title, fontsize=9)
            if row == 0 and column == 0:
                _scale_bar(axes, images.shape[-1], picture.images.pixel_size_angstrom)
        side = figure.add_subplot(grid[row, len(pictures)])
        side.set_axis_off()
        text = "\n".join([names[row], *_figures_of(inspection, int(particles[row]))])
        side.text(0.02, 0.5, text, fontsize=8, va="center", linespacing=1.5)
    _save(figure, path)


_SHARED = ("true", "predicted")


def _figures_of(inspection: Inspection, particle: int) -> list[str]:
    lines = []
    for criterion in inspection.criteria:
        values = inspection.values(criterion)
        if values is not None and np.isfinite(values[particle]):
            lines.append(f"{criterion} {figure_of(criterion, float(values[particle]))}")
    return lines


def save_directions(
    path: Path, inspection: Inspection, criterion: Criterion, kept: Any = None
) -> None:
    """Draw viewing directions on the sphere in Mollweide's equal-area projection.

    rot runs from left to right, tilt from the top (0) to the bottom (180); a point is coloured by
    ``criterion`` where its values are known. ``kept`` ``(n,)`` leaves particles out.

    Raises:
        InputError: where there are no poses, or the ending is not known.

    """
    poses = inspection.shown_poses
    if poses is None or not len(poses):
        raise InputError("There are no poses to draw: load a STAR file with poses, or train.")
    shown = np.ones(len(poses), bool) if kept is None else np.asarray(kept, bool)
    if not shown.any():
        raise InputError("No particle is left by the filter: there is nothing to draw.")
    x, y, z = poses.rotations[shown, 2].T
    rot, latitude = np.arctan2(y, x), np.arcsin(np.clip(z, -1.0, 1.0))
    figure = _figure(7.0, 4.2)
    axes: Any = figure.add_subplot(projection="mollweide")
    size = float(np.clip(4000 / len(rot), 2, 30))
    values = inspection.values(criterion)
    options: dict[str, Any] = {"s": size, "linewidths": 0, "rasterized": len(rot) > MANY}
    if values is None:
        axes.scatter(rot, latitude, color="#0072b2", **options)
    else:
        values = values[shown]
        known = values[np.isfinite(values)]
        if not len(known):
            known = np.zeros(1)
        # What is not known is drawn like the worst.
        worst = known.min() if CRITERIA[criterion].is_higher_better else known.max()
        values = np.where(np.isfinite(values), values, worst)
        better_is_higher = CRITERIA[criterion].is_higher_better
        order = np.argsort(-values if better_is_higher else values)  # the worst on top
        drawn = axes.scatter(
            rot[order],
            latitude[order],
            c=values[order],
            cmap="viridis" if better_is_higher else "viridis_r",
            vmin=float(np.quantile(values, 0.05)) if better_is_higher else None,
            vmax=None if better_is_higher else float(np.quantile(values, 0.95)),
            **options,
        )
        bar = figure.colorbar(drawn, ax=axes, orientation="horizontal", shrink=0.6, pad=0.08)
        bar.set_label(column_title(criterion))
    degrees = np.arange(-120, 121, 60)
    axes.set_xticks(np.deg2rad(degrees), [f"{d}\N{DEGREE SIGN}" for d in degrees], fontsize=8)
    tilts = np.arange(30, 151, 30)
    axes.set_yticks(np.deg2rad(90 - tilts), [f"{t}\N{DEGREE SIGN}" for t in tilts], fontsize=8)
    axes.set_xlabel("rot", fontsize=9)
    axes.set_ylabel("tilt", fontsize=9)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.set_title(f"Viewing directions of {len(rot):,} particles", fontsize=10)
    _save(figure, path)


def save_run_curves(path: Path, runs: Sequence[RunView]) -> None:
    """Draw error, RMSE and loss of several runs against steps, coloured by the latest ``w``.

    Raises:
        InputError: where no run has metrics, or the ending is not known.

    """
    runs = [run for run in runs if run.metrics]
    if not runs:
        raise InputError("There are no metrics yet: they come with a run's first report.")
    figure = _figure(7.2, 7.6)
    rows = figure.subplots(len(_ROWS), 1, sharex=True)
    from matplotlib.ticker import LogLocator, NullLocator

    for run in runs:
        w = run.metrics[-1].get("w")
        colour = GREY if w is None else colour_of_w(float(w), on_paper=True)
        label = run.path.name + ("" if w is None else f", w {w:.2f}")
        for axes, (name, _, is_test) in zip(rows, _ROWS, strict=True):
            x, y = _curve(run, name, is_test)
            if len(x):
                marker = "o" if len(x) == 1 else None
                axes.plot(x, y, color=colour, linewidth=1.5, label=label, marker=marker)
    for axes, (name, title, _) in zip(rows, _ROWS, strict=True):
        axes.set_ylabel(title)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if name == "angular_error_deg" and axes.lines:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(NullLocator())
        else:
            axes.set_ylim(bottom=0)
    rows[-1].set_xlabel("Steps")
    rows[-1].set_xlim(left=0)
    handles = max(
        (axes.get_legend_handles_labels() for axes in rows), key=lambda both: len(both[0])
    )
    figure.legend(*handles, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    figure.align_ylabels()
    _save(figure, path)


def _curve(run: RunView, name: str, is_test: bool) -> tuple[list[float], list[float]]:
    """Return steps and values of a figure; one that a line repeats counts once."""
    x: list[float] = []
    y: list[float] = []
    last = None
    for line in run.metrics:
        value = line.get(name)
        if value is None or not np.isfinite(value) or (is_test and value == last):
            continue
        last = value
        x.append(float(line["step"]))
        y.append(float(value))
    return x, y


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    import matplotlib

    kind = path.suffix.lower()
    if kind not in KINDS:
        raise InputError(f"{path.name}: a figure's name ends in {', '.join(KINDS)}.")
    as_text = matplotlib.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42})
    with as_text, atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind[1:], dpi=200)


def _scale_bar(axes: Axes, box: int, pixel_size_angstrom: float) -> None:
    """Draw a bar of a round length, up to a third of the image, its length beside it."""
    field = box * pixel_size_angstrom
    length = max((bar for bar in BARS_ANGSTROM if bar <= field / 3), default=BARS_ANGSTROM[0])
    left, level = 0.06 * box, 0.93 * box
    ends = [left, left + length / pixel_size_angstrom]
    for colour, width in (("black", 4.0), ("white", 2.2)):  # seen on any grey
        axes.plot(ends, [level, level], color=colour, linewidth=width)
    behind = {"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "pad": 1.2}
    axes.text(left, level - 0.05 * box, f"{length} Å", color="white", fontsize=8, bbox=behind)
