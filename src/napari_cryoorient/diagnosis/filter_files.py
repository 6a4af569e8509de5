"""The filter curve of a file, and the particles it keeps: what ``filter-curve`` does."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_cryoorient.config import FilterCurveConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.diagnosis.filter_curve import FilterCurve, filter_curve
from napari_cryoorient.diagnosis.pose_files import read_poses, write_rows
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.confidence import stated_confidence
from napari_cryoorient.io.new_star import CONFIDENCE
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.particles import DensityMap, Floats, ParticleSet
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.odd_images import ready_images
from napari_cryoorient.stack.pairing import map_for, pair_inputs


def filter_curve_of_file(
    star_path: Path,
    map_path: Path | None = None,
    config: FilterCurveConfig = FilterCurveConfig(),
    *,
    map_pixel_size_angstrom: float | None = None,
    project_dir: Path | None = None,
    reporter: Reporter = SILENT,
) -> FilterCurve:
    """Read particles, their confidence and a map, and make the curve; raises InputError.

    Images that tell nothing are left out.
    """
    choose_device(config.device)
    symmetry_matrices(config.symmetry)  # refuses a name before the files are read
    particles, star = read_particles(star_path, project_dir=project_dir)
    confidence = _checked(stated_confidence(star), star_path)
    density = None
    if map_path is not None:
        density = map_for(map_path, particles, pixel_size_angstrom=map_pixel_size_angstrom)
    return filter_curve_of_particles(
        particles, confidence, density, config, name=str(star_path), reporter=reporter
    )


def filter_curve_of_particles(
    particles: ParticleSet,
    confidence: Floats,
    density: DensityMap | None = None,
    config: FilterCurveConfig = FilterCurveConfig(),
    *,
    name: str = "the stack",
    reporter: Reporter = SILENT,
) -> FilterCurve:
    """Make the curve of particles in memory; ``confidence`` ``(n,)`` is that of each.

    Images that tell nothing are left out.  Raises InputError for particles without poses or too
    few, and where map and stack do not fit; Stopped.
    """
    if density is not None:
        inputs = pair_inputs(particles, density, invert_contrast=config.invert_contrast, name=name)
        for note in inputs.notes:
            reporter.say(note)
        particles, density = inputs.particles, inputs.density
    else:
        particles, odd = ready_images(particles, name)
        for note in odd.notes:
            reporter.say(note)
    usable = particles.usable_rows()
    return filter_curve(
        particles.subset(usable) if len(usable) < len(particles) else particles,
        confidence[usable],
        choose_device(config.device),
        density=density,
        thresholds=config.thresholds,
        symmetry=config.symmetry,
        seed=config.seed,
        reporter=reporter,
    )


def write_kept(star_path: Path, least: float, path: Path) -> int:
    """Write the particles with a confidence of at least ``least``; return how many."""
    file = read_poses(star_path, keep_star=True)
    kept = np.flatnonzero(_checked(file.confidence, star_path) >= least)
    return write_rows(file, kept, path, f"No particle has a confidence of at least {least:g}")


def _checked(confidence: Floats | None, star_path: Path) -> Floats:
    if confidence is None:
        raise InputError(
            f"There is no confidence from 0 to 1 to filter by (_{CONFIDENCE}): write one with "
            f"search, refine or predict --refine into a copy of {star_path}."
        )
    return confidence
