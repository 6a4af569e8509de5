"""Particles measured against a map: what ``pixel-size`` does."""

from __future__ import annotations

from pathlib import Path

from napari_cryoorient.config import PixelSizeConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.diagnosis.magnification import Magnification, measure_magnification
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.particles import DensityMap, ParticleSet
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.pairing import map_for, pair_inputs


def pixel_size_of_star(
    star_path: Path,
    map_path: Path,
    config: PixelSizeConfig = PixelSizeConfig(),
    *,
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
) -> Magnification:
    """Measure the particles of a file against a map, as ``pixel_size_of_particles``."""
    particles, _ = read_particles(star_path, project_dir=project_dir)
    density = map_for(map_path, particles, pixel_size_angstrom=map_pixel_size_angstrom)
    return pixel_size_of_particles(
        particles, density, config, name=str(star_path), reporter=reporter
    )


def pixel_size_of_particles(
    particles: ParticleSet,
    density: DensityMap,
    config: PixelSizeConfig = PixelSizeConfig(),
    *,
    name: str = "the stack",
    reporter: Reporter = SILENT,
) -> Magnification:
    """Measure how much larger particles that have poses are than a map, as it came.

    Raises InputError where there are no poses, or the images show no scale near the map's; Stopped.
    """
    device = choose_device(config.device)
    inputs = pair_inputs(particles, density, invert_contrast=config.invert_contrast, name=name)
    for note in inputs.notes:
        reporter.say(note)
    return measure_magnification(
        inputs.particles, inputs.density, density, device, reporter=reporter
    )
