"""Two maps from files brought together and correlated: what the command ``fsc`` does."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cryoorient.config import FscConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.fourier_resize import fourier_resize
from napari_cryoorient.io.maps import is_model_path, read_map
from napari_cryoorient.maps.fsc import (
    ShellCorrelation,
    fourier_shell_correlation,
    masked_correlation,
    sphere_mask,
)
from napari_cryoorient.memory import (
    CORRELATED,
    MASKED_CORRELATION,
    refuse_beyond,
    refuse_map_beyond,
)
from napari_cryoorient.particles import DensityMap, Images, refuse_small_box
from napari_cryoorient.reporting import SILENT, Reporter

# Pixel sizes closer than this are one; a header's rounding makes such a difference.
TOLERANCE = 5e-3
EDGE_VOXELS = 5.0


def compare_maps(
    a_path: Path,
    b_path: Path,
    config: FscConfig = FscConfig(),
    *,
    mask: str | None = None,
    pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
) -> ShellCorrelation:
    """Correlate two maps, within a mask where one is named: "auto", or the path of a map.

    Raises InputError for maps of different fields of view.
    """
    if mask is not None and config.radius_angstrom is not None:
        raise InputError("A mask and a radius are both given: leave one of them out.")
    a, b = _pair(Path(a_path), Path(b_path), pixel_size_angstrom)
    return correlate_maps(a, b, config, mask=mask, reporter=reporter)


def correlate_maps(
    a: DensityMap,
    b: DensityMap,
    config: FscConfig = FscConfig(),
    *,
    mask: str | DensityMap | Images | None = None,
    reporter: Reporter = SILENT,
) -> ShellCorrelation:
    """Correlate two maps in memory, as ``compare_maps``."""
    say, radius_angstrom = reporter.say, config.radius_angstrom
    a, b = same_sampling(a, b, say)
    refuse_small_box(a.box, "Maps")
    if mask is not None or radius_angstrom is not None:
        refuse_beyond(MASKED_CORRELATION * a.box**3, f"A mask on maps of {a.box} voxels")
    for each in (a, b):
        for note in each.notes:
            say(f"Note: {note}")
    soft = _mask(a, b, mask, radius_angstrom, say)
    if soft is None:
        return fourier_shell_correlation(a.voxels, b.voxels, a.pixel_size_angstrom)
    if config.corrected:
        return masked_correlation(a.voxels, b.voxels, a.pixel_size_angstrom, soft, seed=config.seed)
    return fourier_shell_correlation(a.voxels, b.voxels, a.pixel_size_angstrom, mask=soft)


def _pair(
    a_path: Path, b_path: Path, pixel_size_angstrom: float | None
) -> tuple[DensityMap, DensityMap]:
    """Read two maps; a model is put on the grid of the other."""
    if is_model_path(a_path) and is_model_path(b_path):
        raise InputError("Two atomic models are given: make a map of one first, or name a map.")
    for path in (a_path, b_path):
        refuse_map_beyond(path, CORRELATED, "Correlating maps")
    if is_model_path(a_path):
        b, a = _pair(b_path, a_path, pixel_size_angstrom)
        return a, b
    a = read_map(a_path, pixel_size_angstrom=pixel_size_angstrom)
    if is_model_path(b_path):
        return a, read_map(b_path, pixel_size_angstrom=a.pixel_size_angstrom, box=a.box)
    return a, read_map(b_path, pixel_size_angstrom=pixel_size_angstrom)


def same_sampling(
    a: DensityMap, b: DensityMap, say: Callable[[str], None]
) -> tuple[DensityMap, DensityMap]:
    """Bring two maps to one grid where they show the same field of view; else raise InputError."""
    ratio = b.pixel_size_angstrom / a.pixel_size_angstrom
    field = b.pixel_size_angstrom * b.box / (a.pixel_size_angstrom * a.box)
    if a.box == b.box and abs(ratio - 1) <= TOLERANCE:
        return a, b
    names = [str(each.path or "a map") for each in (a, b)]
    if abs(field - 1) > TOLERANCE:
        raise InputError(
            f"{names[0]} has {a.box} voxels of {a.pixel_size_angstrom:.4g} A and {names[1]} "
            f"{b.box} of {b.pixel_size_angstrom:.4g} A, which is not the same field of view; "
            "resample or crop one of them (--pixel-size A where a header is wrong)."
        )
    box = min(a.box, b.box)
    finer, i = (a, 0) if a.box > box else (b, 1)
    say(
        f"Note: {names[i]} is resampled from {finer.box} to {box} voxels of the other map's size; "
        "the field of view is the same."
    )
    resized = replace(
        finer,
        voxels=fourier_resize(finer.voxels, box, 3),
        pixel_size_angstrom=finer.pixel_size_angstrom * finer.box / box,
    )
    return (resized, b) if i == 0 else (a, resized)


def _mask(
    a: DensityMap,
    b: DensityMap,
    mask: str | DensityMap | Images | None,
    radius_angstrom: float | None,
    say: Callable[[str], None],
) -> Images | None:
    pixel_size = a.pixel_size_angstrom
    if radius_angstrom is not None:
        if radius_angstrom < 2 * pixel_size:
            raise InputError(
                f"A mask of radius {radius_angstrom:g} A holds hardly a voxel of "
                f"{pixel_size:.4g} A; choose a larger radius."
            )
        if radius_angstrom > a.box * pixel_size / 2:
            say("Note: the mask's sphere is larger than the box.")
        return sphere_mask(a.box, pixel_size, radius_angstrom, EDGE_VOXELS * pixel_size)
    if mask is None:
        return None
    if isinstance(mask, str) and mask == "auto":
        from napari_cryoorient.projection.masks import molecule_mask  # loads torch

        # Each in its own grey scale: neither may decide alone.
        mean = sum(each.voxels / each.voxels.std(dtype=np.float64) for each in (a, b))
        found = molecule_mask(np.asarray(mean, dtype=np.float32), pixel_size)
        say(f"Mask: found from both maps, {found.mean():.1%} of the box.")
        return found
    name, given = "", mask
    if isinstance(given, str):
        name, given = f" {given}", read_map(Path(given), pixel_size_angstrom=pixel_size)
    values = given.voxels if isinstance(given, DensityMap) else given
    if values.shape != a.voxels.shape:
        raise InputError(
            f"The mask{name} has {len(values)} voxels a side, the maps {a.box}; make it on their "
            "grid."
        )
    if values.min() < -1e-3 or values.max() > 1 + 1e-3:
        raise InputError(
            f"The mask{name} has values from {values.min():.3g} to {values.max():.3g}; those of a "
            "mask go from 0 to 1."
        )
    return values


def write_curve(curve: ShellCorrelation, path: Path) -> None:
    """Write a curve as CSV: shell, frequency, resolution, FSC, and the corrected FSC if known."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file)
        corrected = curve.corrected
        head = ["shell", "frequency_per_angstrom", "resolution_angstrom", "fsc"]
        table.writerow([*head, "fsc_corrected"] if corrected is not None else head)
        for shell, (frequency, value) in enumerate(
            zip(curve.frequencies, curve.values, strict=True)
        ):
            row = [shell, f"{frequency:.6f}", f"{1 / frequency:.4f}" if shell else "inf"]
            row.append(f"{value:.6f}")
            table.writerow([*row, f"{corrected[shell]:.6f}"] if corrected is not None else row)
