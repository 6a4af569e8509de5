"""A page on two sets of poses: how their differences are spread, over particles and over views."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_cryoorient.diagnosis.comparison import SHARES_DEG, Comparison
from napari_cryoorient.diagnosis.pages import BLUE, VERMILLION, draw_sphere, new_page, save_page


def save_comparison(path: Path, found: Comparison, *, title: str = "") -> None:
    """Draw histograms of the differences and the median difference by view (png, svg or pdf)."""
    figure = new_page(8.3, 6.4)
    grid = figure.add_gridspec(2, 2, height_ratios=[1, 1.2])
    axes = figure.add_subplot(grid[0, 0])
    axes.hist(
        np.clip(found.angles_deg, 0.1, 180), bins=list(np.geomspace(0.1, 180, 50)), color=BLUE
    )
    axes.set_xscale("log")
    axes.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axes.axvline(found.median_angle_deg, color="black", linewidth=1, linestyle="--")
    axes.set_xlabel("Angle between the poses (\N{DEGREE SIGN})")
    axes.set_ylabel("Particles")
    axes = figure.add_subplot(grid[0, 1])
    widest = max(float(np.quantile(found.shifts_angstrom, 0.99)), 1e-3)
    axes.hist(np.clip(found.shifts_angstrom, 0, widest), bins=50, color=BLUE)
    axes.axvline(found.median_shift_angstrom, color="black", linewidth=1, linestyle="--")
    axes.set_xlabel("Difference of the shifts (\u00c5)")
    directions, figures = found.by_view()
    sphere = figure.add_subplot(grid[1, 0], projection="mollweide")
    draw_sphere(
        figure, sphere, directions, figures.median_angle_deg, "Median angle (\N{DEGREE SIGN})"
    )
    sphere.set_title("By viewing direction of A", fontsize=9)
    text = figure.add_subplot(grid[1, 1])
    text.axis("off")
    lines = [
        f"{len(found)} particles",
        f"median {found.median_angle_deg:.2f}\N{DEGREE SIGN}, "
        f"{found.median_shift_angstrom:.2f} \u00c5",
        *(f"{found.share_under(a):.1%} under {a:g}\N{DEGREE SIGN}" for a in SHARES_DEG),
        "",
        found.frame.describe(),
    ]
    if found.preference is not None:
        lines += ["", found.preference.describe()]
    text.text(0, 1, "\n".join(lines), va="top", fontsize=9, wrap=True, color="black")
    worst = found.share_under(10)
    if worst < 0.5:
        text.set_title("Most poses differ", color=VERMILLION, fontsize=10)
    if title:
        figure.suptitle(title, fontsize=11)
    save_page(figure, path)
