"""``pixel-size``: whether the pixel sizes of stack and map belong together."""

from __future__ import annotations

import time

from napari_cryoorient.cli import options
from napari_cryoorient.cli.progress import print_json, progress

SUMMARY = "Measure the particles' size against the map, to a fifth of a percent."


def run(
    star_path: options.PosedStarPath,
    map_path: options.MapPath,
    invert_contrast: options.InvertContrast = "auto",
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
) -> None:
    """Compare images with the map stretched a little, at their poses, 2000 of them at most.

    A difference above 0.5% is a warning, with the pixel size that would fit.
    """
    from napari_cryoorient.device import choose_device
    from napari_cryoorient.diagnosis.magnification import HAND, measure_magnification
    from napari_cryoorient.io.star import read_particles
    from napari_cryoorient.stack.pairing import map_for, pair_inputs

    began = time.monotonic()
    with progress("Measuring") as advance:
        particles, _ = read_particles(star_path, project_dir=project_dir)
        density = map_for(map_path, particles, pixel_size_angstrom=pixel_size)
        inputs = pair_inputs(
            particles, density, invert_contrast=invert_contrast, name=str(star_path)
        )
        for note in inputs.notes:
            advance.say(note)
        found = measure_magnification(
            inputs.particles, inputs.density, density, choose_device(device), progress=advance
        )
    print(found.describe())
    print(HAND)
    if json:
        print_json(found.summary() | {"seconds": time.monotonic() - began})
