"""What a threshold on the confidence keeps, and what the map gains or loses by it.

Images are entered from the surest to the least sure, into one pair of sums; at each threshold the
half-maps are solved from the sums so far, and the images go on.  All thresholds together read and
enter each image once.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.maps.backproject import back_project
from napari_cryoorient.maps.fsc import GOLD_STANDARD, HALF, fourier_shell_correlation
from napari_cryoorient.maps.insertion import SliceSums
from napari_cryoorient.maps.solve import solve_map
from napari_cryoorient.particles import DensityMap, Floats, Images, Integers, ParticleSet
from napari_cryoorient.projection.masks import molecule_mask
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.tasks.fsc import same_sampling
from napari_cryoorient.tasks.reconstruct import half_sets

# Parts of the stack that are kept, where no thresholds are named.
KEPT_PARTS = tuple(k / 10 for k in range(10, 0, -1))
# Fewer particles make no half-maps.
FEWEST = 20
# Resolutions no farther apart than this factor are one.
WITHIN = 1.01


@dataclass(frozen=True, eq=False, repr=False)
class FilterCurve:
    """Thresholds ``(t,)``, rising, and what each keeps; resolutions are not a number where unknown.

    ``expected_wrong`` sums up one minus the confidence of the particles kept.
    ``half_map_angstrom`` is where the FSC of the half-maps falls below 0.143,
    ``reference_angstrom`` where that of their mean and the reference falls below 0.5.
    """

    thresholds: Floats
    kept: Integers
    expected_wrong: Floats
    half_map_angstrom: Floats
    reference_angstrom: Floats

    @property
    def best(self) -> int:
        """Which threshold keeps most of those whose half-maps are as fine as the finest."""
        known = np.nan_to_num(self.half_map_angstrom, nan=np.inf)
        return int(np.argmax(known <= WITHIN * known.min()))

    def rows(self) -> list[dict[str, float]]:
        """Return a row of figures for each threshold."""
        return [
            {
                "threshold": float(self.thresholds[i]),
                "kept": int(self.kept[i]),
                "expected_wrong": float(self.expected_wrong[i]),
                "expected_wrong_share": float(self.expected_wrong[i] / max(self.kept[i], 1)),
                "half_map_angstrom": float(self.half_map_angstrom[i]),
                "reference_angstrom": float(self.reference_angstrom[i]),
            }
            for i in range(len(self.thresholds))
        ]

    def summary(self) -> dict[str, Any]:
        """Return the figures by name, as ``filter-curve --json`` does."""
        return {"curve": self.rows(), "best_threshold": float(self.thresholds[self.best])}

    def describe(self) -> str:
        """Say which threshold is best, and what it costs."""
        row, everything = self.rows()[self.best], self.rows()[0]
        if self.best == 0:
            return (
                f"No threshold makes the half-maps finer than all {everything['kept']} particles "
                f"do ({everything['half_map_angstrom']:.2f} A)."
            )
        share = row["expected_wrong_share"]
        return (
            f"A confidence of at least {row['threshold']:.3f} gives the finest half-maps, "
            f"{row['half_map_angstrom']:.2f} A in place of {everything['half_map_angstrom']:.2f} "
            f"A: {row['kept']} of {everything['kept']} particles, {share:.1%} "
            "of them expected to be wrong."
        )

    def __repr__(self) -> str:
        return f"FilterCurve({len(self.thresholds)} thresholds, best {self.best})"


def filter_curve(
    particles: ParticleSet,
    confidence: Floats,
    device: torch.device,
    *,
    density: DensityMap | None = None,
    thresholds: Sequence[float] | None = None,
    symmetry: str = "C1",
    seed: int = 0,
    reporter: Reporter = SILENT,
) -> FilterCurve:
    """Reconstruct half-maps of the particles above each threshold on ``confidence`` ``(n,)``.

    Half-sets are those of rlnRandomSubset, or drawn with ``seed``.  With a map, whose field of view
    is the stack's, curves are taken within its mask.  Raises InputError for particles without poses
    or too few, and Stopped.
    """
    n = len(particles)
    if particles.poses is None:
        raise InputError("The particles have no poses to reconstruct from.")
    if n < FEWEST:
        raise InputError(f"{n} particles are too few for half-maps; {FEWEST} are needed.")
    levels = np.asarray(
        _levels(confidence) if thresholds is None else sorted(set(thresholds)), dtype=np.float64
    )
    halves = half_sets(particles.random_subset, n, seed, reporter.say)
    group = symmetry_matrices(symmetry)
    total: tuple[SliceSums, ...] | None = None
    n_levels = len(levels)
    half_map, reference = np.full(n_levels, np.nan), np.full(n_levels, np.nan)
    mask: Images | None = None
    upper, done = np.inf, 0
    for i in reversed(range(n_levels)):
        chosen = (confidence >= levels[i]) & (confidence < upper)
        upper = float(levels[i])
        sets = tuple(half[chosen[half]] for half in halves)
        before = done
        done += sum(len(rows) for rows in sets)
        part = reporter.part(before, n)
        entered = back_project(
            particles,
            group,
            device,
            rows_of_sets=sets,
            reporter=part,
        )
        if entered is None:
            raise Stopped
        if total is None:
            total = entered.sums
        else:
            for sums, more in zip(total, entered.sums, strict=True):
                sums.add(more)
        if done < FEWEST or any(not (confidence[half] >= upper).any() for half in halves):
            continue
        a, b = (
            np.asarray(solve_map(sums, entered.factors).cpu().numpy(), np.float32) for sums in total
        )
        pixel = particles.pixel_size_angstrom
        if density is not None:
            whole, against = same_sampling(
                DensityMap(np.float32(0.5) * (a + b), pixel), density, _silent
            )
            if mask is None and against.box == len(a):
                mask = molecule_mask(against.voxels, pixel)
            inside = mask if against.box == len(a) else None
            curve = fourier_shell_correlation(
                whole.voxels, against.voxels, whole.pixel_size_angstrom, mask=inside
            )
            reference[i] = curve.crossing_angstrom(HALF) or curve.nyquist_angstrom
        curve = fourier_shell_correlation(a, b, pixel, mask=mask)
        half_map[i] = curve.crossing_angstrom(GOLD_STANDARD) or curve.nyquist_angstrom
    kept = np.array([int((confidence >= level).sum()) for level in levels], dtype=np.int64)
    wrong = np.array([float((1 - confidence[confidence >= level]).sum()) for level in levels])
    return FilterCurve(levels, kept, wrong, half_map, reference)


def write_filter_curve(curve: FilterCurve, path: Path) -> None:
    """Write a row for each threshold as CSV."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        table = csv.DictWriter(file, list(curve.rows()[0]))
        table.writeheader()
        table.writerows(
            {name: f"{value:.6g}" for name, value in row.items()} for row in curve.rows()
        )


def save_filter_curve(path: Path, curve: FilterCurve, *, title: str = "") -> None:
    """Draw resolutions and expected wrong poses over the number of particles kept."""
    from napari_cryoorient.diagnosis.pages import BLUE, GREEN, VERMILLION, new_page, save_page

    figure = new_page(6.4, 4.2)
    axes = figure.subplots()
    axes.plot(curve.kept, curve.half_map_angstrom, "o-", color=BLUE, label="half-maps, 0.143")
    if np.isfinite(curve.reference_angstrom).any():
        axes.plot(curve.kept, curve.reference_angstrom, "s-", color=GREEN, label="reference, 0.5")
    axes.invert_yaxis()
    axes.set_xlabel("Particles kept")
    axes.set_ylabel("Resolution (\u00c5)")
    axes.legend(frameon=False, fontsize=9)
    share = axes.twinx()
    wrong = 100 * curve.expected_wrong / np.maximum(curve.kept, 1)
    share.plot(curve.kept, wrong, "^:", color=VERMILLION)
    share.set_ylim(bottom=0)
    share.set_ylabel("Expected wrong poses (%)", color=VERMILLION)
    for each in (axes, share):
        each.spines["top"].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=11)
    save_page(figure, path)


def _levels(confidence: Floats) -> list[float]:
    """Return thresholds that keep all, nine tenths and so on; the lowest keeps all.

    Where many particles are equally sure, tenths of the confidence fill up what is missing.
    """
    quantiles = np.quantile(confidence, [1 - part for part in KEPT_PARTS], method="lower")
    levels = {int((confidence >= level).sum()): float(level) for level in quantiles}
    for level in np.linspace(0.1, 0.9, len(KEPT_PARTS) - 1).round(1).tolist():
        n_kept = int((confidence >= level).sum())
        if n_kept and len(levels) < len(KEPT_PARTS):
            levels.setdefault(n_kept, level)
    return sorted(levels.values())


def _silent(sentence: str) -> None:
    """Say nothing: the maps were brought together before."""
