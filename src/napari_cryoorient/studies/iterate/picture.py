"""The picture of a series of rounds: FSC of each, and resolution against round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.maps.fsc import GOLD_STANDARD, HALF
from napari_cryoorient.particles import Floats


def save_rounds(
    path: Path,
    curves: Sequence[tuple[int, Floats, Floats]],
    resolutions: Sequence[tuple[int, float | None, float | None]],
    nyquist_angstrom: float,
    *,
    is_compared: bool = False,
) -> None:
    """Draw the half-maps' FSC of each round, and the resolutions beside.

    ``curves`` are (round, frequencies in 1/angstrom, values); ``resolutions`` (round, of the
    half-maps at 0.143, against another map at 0.5), in angstrom, None standing for Nyquist.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [3, 2]})
    shades = colormaps["viridis"](np.linspace(0.85, 0.1, max(len(curves), 2)))
    for (number, frequencies, values), shade in zip(curves, shades, strict=False):
        left.plot(frequencies, values, color=shade, linewidth=1.6, label=f"round {number}")
    highest = float(curves[0][1][-1])
    for threshold in (HALF, GOLD_STANDARD):
        left.axhline(threshold, color="#6b6b6b", linewidth=0.8, linestyle="--")
        left.text(highest, threshold + 0.012, f"{threshold:g}", ha="right", fontsize=8)
    left.set_xlim(0, highest)
    left.set_ylim(-0.05, 1.02)
    left.set_ylabel("FSC of half-maps")
    left.set_xlabel("Resolution (\u00c5)")
    ticks = [float(t) for t in left.get_xticks() if 0 <= t <= highest * (1 + 1e-9)]
    left.set_xticks(ticks, ["\u221e" if tick == 0 else f"{1 / tick:.3g}" for tick in ticks])
    left.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(0.01, 0.34))

    rounds = [number for number, _, _ in resolutions]
    labels = ("half-maps, 0.143", "against the map named, 0.5")
    for place, (label, color) in enumerate(zip(labels, ("#0072b2", "#d55e00"), strict=True)):
        if place == 1 and not is_compared:
            continue
        found = [each[1 + place] for each in resolutions]
        known = [nyquist_angstrom if value is None else float(value) for value in found]
        right.plot(rounds, known, color=color, marker="o", markersize=4, label=label)
    right.axhline(nyquist_angstrom, color="#6b6b6b", linewidth=0.8, linestyle="--")
    right.text(rounds[0], nyquist_angstrom, " Nyquist", va="bottom", fontsize=8)
    right.set_xticks(rounds)
    right.set_xlabel("Round")
    right.set_ylabel("Resolution (\u00c5)")
    right.set_ylim(bottom=0)
    right.legend(frameon=False, fontsize=9)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".").lower() or "png", dpi=150)
