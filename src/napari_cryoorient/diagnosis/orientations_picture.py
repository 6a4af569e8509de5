"""A page on the views of a set of poses: where they are, what they sample, the maps' agreement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_cryoorient.diagnosis.conical import ConicalCorrelation
from napari_cryoorient.diagnosis.orientations import VIEWS_NSIDE, OrientationReport
from napari_cryoorient.diagnosis.pages import (
    BLUE,
    GREY,
    VERMILLION,
    draw_sphere,
    new_page,
    save_page,
)
from napari_cryoorient.diagnosis.sampling import SUFFICIENT
from napari_cryoorient.geometry.healpix import centres

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def save_orientations(path: Path, report: OrientationReport, *, title: str = "") -> None:
    """Draw the report on one page (png, svg or pdf)."""
    figure = new_page(8.3, 7.4)
    grid = figure.add_gridspec(3, 2, height_ratios=[1, 1, 0.4])
    views = figure.add_subplot(grid[0, 0], projection="mollweide")
    density = report.view_counts / report.view_counts.mean()
    draw_sphere(figure, views, centres(VIEWS_NSIDE), density, "Views over their mean")
    views.set_title("Viewing directions", fontsize=10)
    sphere = figure.add_subplot(grid[0, 1], projection="mollweide")
    sampling = report.sampling
    both = np.concatenate([sampling.directions, -sampling.directions])
    sampled = np.tile(sampling.counts / max(sampling.counts.mean(), 1e-30), 2)
    draw_sphere(figure, sphere, both, sampled, "Sampling over its mean", vmin=0, cmap="magma")
    sphere.set_title("Sampling of Fourier space", fontsize=10)
    tilts = figure.add_subplot(grid[1, 0])
    tilts.plot(
        list(report.tilted_scf_star), list(report.tilted_scf_star.values()), "o-", color=BLUE
    )
    tilts.axhline(SUFFICIENT, color=GREY, linewidth=0.8, linestyle="--")
    tilts.set_ylim(0, 1.05)
    tilts.set_xlabel("Tilt of the stage (\N{DEGREE SIGN})")
    tilts.set_ylabel("SCF*")
    tilts.spines[["top", "right"]].set_visible(False)
    curves = figure.add_subplot(grid[1, 1])
    if report.conical is None:
        curves.axis("off")
        curves.text(0.5, 0.5, "No half-maps were given.", ha="center", color=GREY, fontsize=9)
    else:
        _draw_curves(curves, report.conical)
    words = figure.add_subplot(grid[2, :])
    words.axis("off")
    cfar = "" if report.conical is None else f"    cFAR {report.conical.cfar:.2f}"
    figures = (
        f"{report.n} particles    SCF {report.scf:.2f}    SCF* {report.scf_star:.2f}    "
        f"empty {sampling.empty_share:.1%}{cfar}"
    )
    words.text(0, 0.95, figures, va="top", fontsize=11, weight="bold")
    words.text(0, 0.6, report.advice, va="top", fontsize=10, wrap=True)
    if title:
        figure.suptitle(title, fontsize=11)
    save_page(figure, path)


def _draw_curves(axes: Axes, conical: ConicalCorrelation) -> None:
    for curve in conical.curves:
        axes.plot(conical.frequencies, curve, color=BLUE, linewidth=0.4, alpha=0.25)
    for index, color, name in (
        (int(conical.areas.argmax()), "black", "best direction"),
        (int(conical.areas.argmin()), VERMILLION, "worst direction"),
    ):
        axes.plot(conical.frequencies, conical.curves[index], color=color, label=name)
    axes.axhline(0.143, color=GREY, linewidth=0.8, linestyle="--")
    axes.set_xlim(0, float(conical.frequencies[-1]))
    axes.set_ylim(-0.2, 1.02)
    axes.set_xlabel("Frequency (1/\u00c5)")
    axes.set_ylabel("Conical FSC")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
