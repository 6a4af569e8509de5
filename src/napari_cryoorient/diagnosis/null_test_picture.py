"""A page on a null test: correlations, confidences and shell correlations beside the nulls'."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cryoorient.diagnosis.null_test import IMAGES, MAPS, PARTICLES, NullTest
from napari_cryoorient.diagnosis.pages import BLUE, GREEN, GREY, VERMILLION, new_page, save_page
from napari_cryoorient.maps.fsc import ShellCorrelation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {PARTICLES: BLUE, IMAGES: VERMILLION, MAPS: GREEN}


def save_null_test(path: Path, found: NullTest, *, title: str = "") -> None:
    """Draw it on one page (png, svg or pdf)."""
    figure = new_page(8.3, 7.0)
    draw_null_test(figure, found, title=title)
    save_page(figure, path)


def draw_null_test(figure: Figure, found: NullTest, *, title: str = "") -> None:
    """Draw it on a figure."""
    grid = figure.add_gridspec(3, 2, height_ratios=[1, 1, 0.22])
    upper, right, lower, last = (figure.add_subplot(grid[i, j]) for i in (0, 1) for j in (0, 1))
    histograms = found.histograms()
    _draw_histograms(upper, histograms["correlation"], "Correlation with the projection")
    _draw_histograms(right, histograms["confidence"], "Confidence")
    _draw_curves(lower, found.reference_fsc, "FSC with the map searched with")
    if found.half_map_fsc:
        _draw_curves(last, found.half_map_fsc, "FSC of half-maps")
    else:
        last.axis("off")
        last.text(0.5, 0.5, "Too few particles for half-maps.", ha="center", color=GREY, fontsize=9)
    upper.legend(frameon=False, fontsize=8)
    words = figure.add_subplot(grid[2, :])
    words.axis("off")
    sentence = "\n".join(textwrap.wrap(found.describe(), 100))
    words.text(0, 1, sentence, fontsize=10, va="top", transform=words.transAxes)
    if title:
        figure.suptitle(title, fontsize=11)


def _draw_histograms(axes: Axes, histogram: Mapping[str, Any], label: str) -> None:
    for case, counts in histogram["counts"].items():
        axes.stairs(counts, histogram["edges"], color=COLOURS[case], linewidth=1.6, label=case)
    axes.set_xlabel(label)
    axes.set_ylabel("Particles")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_curves(axes: Axes, curves: Mapping[str, ShellCorrelation], label: str) -> None:
    for case, curve in curves.items():
        axes.plot(curve.frequencies[1:], curve.values[1:], color=COLOURS[case], linewidth=1.6)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylim(-0.2, 1.02)
    axes.set_xlabel("Frequency (1/\u00c5)")
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
